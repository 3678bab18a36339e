import { createStore } from './store';

export type Connection = 'online' | 'reconnecting';

const waiting = createStore<ReadonlySet<string>>(new Set());

/** What the page's streams say together: reconnecting while any of them is. */
export const connection = {
  subscribe: waiting.subscribe,
  get: (): Connection => (waiting.get().size > 0 ? 'reconnecting' : 'online'),
};

/** Reports the state of one stream; `closed` when it is no longer wanted. */
export function reportStream(name: string, state: 'open' | 'waiting' | 'closed'): void {
  waiting.set((before) => {
    if (before.has(name) === (state === 'waiting')) return before;
    const after = new Set(before);
    if (state === 'waiting') after.add(name);
    else after.delete(name);
    return after;
  });
}

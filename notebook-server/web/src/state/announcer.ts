import { createStore } from './store';

/** The sentence that a screen reader is told next, politely. */
export const announcement = createStore('');

export const announce = (sentence: string): void => {
  // The same sentence twice must still be a change.
  announcement.set((before) => (before === sentence ? `${sentence}\u00a0` : sentence));
};

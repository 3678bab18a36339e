// Some tabs of one browser and their server, in memory: for the keeper's tests.
import type { Session, Told } from '@/api/session';
import { Problem } from '@/api/problem';
import type { Locks } from './exclusive';
import { type SessionKeeper, sessionKeeper } from './keeper';
import type { Message } from './machine';

export const LIFE = 900_000;

/** Chance from a seed, so that what fails can be seen again. */
export function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const wait = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Locks as the browser has them: one holder a name, others in a queue. */
function fakeLocks(): Locks & { freeze: () => void } {
  const tails = new Map<string, Promise<unknown>>();
  let frozen = false;
  return {
    /** From now on a lock that is held is never given back. */
    freeze: () => (frozen = true),
    request: async (name, options, work) => {
      const tail = options.steal ? Promise.resolve() : (tails.get(name) ?? Promise.resolve());
      const gone = new Promise<never>((_, reject) => {
        options.signal?.addEventListener('abort', () => reject(new DOMException('', 'AbortError')));
      });
      let open: (value?: unknown) => void = () => undefined;
      tails.set(name, new Promise((resolve) => (open = resolve)));
      try {
        await Promise.race([tail, gone]);
        return await work();
      } finally {
        if (!frozen || options.steal) open();
      }
    },
  };
}

export interface World {
  tabs: SessionKeeper[];
  /** Renewals that the server did. */
  renewals: number;
  refused: number;
  /** What a request of a tab meets: sent with the cookie of that moment, answered after a delay. */
  ask: (tab: SessionKeeper) => Promise<void>;
  server: {
    broken: number | null;
    lost: (path: string) => boolean;
    alive: boolean;
    ends: number;
    user: string;
    /** Whether it says how long a session is when it is asked who is signed in. */
    tells: boolean;
  };
  locks: ReturnType<typeof fakeLocks>;
}

/** Some tabs of one browser, a server with one session, and replies and messages that take as long as chance says. */
export function world(count: number, seed: number): World {
  const random = chance(seed);
  const locks = fakeLocks();
  const tabs: SessionKeeper[] = [];
  const server = {
    broken: null as number | null,
    lost: (() => false) as (path: string) => boolean,
    alive: true,
    ends: Date.now() + LIFE,
    user: 'ada',
    tells: true,
  };
  const here: World = { tabs, renewals: 0, refused: 0, server, locks, ask: () => Promise.resolve() };
  const good = (): boolean => server.alive && Date.now() < server.ends;
  const session = (path: string): Session => ({
    user: { id: server.user, email: '', name: '' },
    workspace: { id: 'w', kind: 'personal', name: '', role: 'admin' },
    permissions: [],
    ...(server.tells || path === 'refresh' ? { expires_at: server.ends } : {}),
    session_ends_at: 0,
  });
  const reply = async (path: string, act: () => boolean): Promise<Told> => {
    await wait(random() * 300);
    if (server.broken !== null) throw new Problem('busy', 'Later.', server.broken);
    const fine = act();
    const told = { session: session(path), date: Math.floor(Date.now() / 1000) * 1000 };
    await wait(random() * 300);
    if (server.lost(path)) throw new Problem('unreachable', 'No reply.', 0);
    if (!fine) throw new Problem('unauthenticated', 'Sign in.', 401);
    return told;
  };
  here.ask = async (tab) => {
    const attempt = async (): Promise<boolean> => {
      await wait(random() * 100);
      const fine = good();
      await wait(random() * 2_000);
      return fine;
    };
    const turn = tab.turn();
    if (await attempt()) return;
    await tab.recover(turn);
    if (!(await attempt())) throw new Error('met 401 twice');
  };
  for (let index = 0; index < count; index += 1) {
    const tab = sessionKeeper({
      auth: {
        mode: () => Promise.resolve({ mode: 'accounts', registration: 'open' }),
        session: () => reply('session', good),
        refresh: () =>
          reply('refresh', () => {
            if (server.alive) server.ends = Date.now() + LIFE;
            if (server.alive) here.renewals += 1;
            else here.refused += 1;
            return server.alive;
          }),
        logout: () => {
          server.alive = false;
          return Promise.resolve(new Response(null, { status: 204 }));
        },
      },
      locks,
      tell: (message: Message) => {
        for (const other of tabs)
          if (other !== tab) void wait(random() * 3_000).then(() => other.hear(message));
      },
      now: () => ({ wall: Date.now(), steady: performance.now() }),
      random,
      waiting: () => undefined,
    });
    tabs.push(tab);
  }
  return here;
}

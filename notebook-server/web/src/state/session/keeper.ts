import type { Told, auth } from '@/api/session';
import type { Keeper } from '@/api/keeper';
import { Problem, asProblem } from '@/api/problem';
import { backoff } from '@/api/sse/backoff';
import { type Store, createStore } from '@/state/store';
import { type Locks, exclusively } from './exclusive';
import { type Lease, type Reading, isDue, leaseOf, shortLease, untilDue } from './lease';
import {
  type Cause,
  type Event,
  type Found,
  type Message,
  type State,
  holdLeft,
  isTaken,
  nextMove,
  remedy,
  start,
  step,
  telling,
  turnOf,
} from './machine';

/** What the keeper needs of the world. */
export interface Ports {
  auth: Pick<typeof auth, 'mode' | 'session' | 'refresh' | 'logout'>;
  locks: Locks | null;
  /** Tells the other tabs; they get it by `hear`. */
  tell: (message: Message) => void;
  now: () => Reading;
  /** In [0, 1). */
  random: () => number;
  /** Shows that the session could not be renewed for the moment. */
  waiting: (is: boolean) => void;
}

export interface SessionKeeper extends Keeper {
  state: Store<State>;
  /** Asks who is signed in. `ended`: the page was loaded because a session ended in it. */
  begin: (ended: boolean) => Promise<void>;
  /** Takes what another tab told. */
  hear: (message: Message) => void;
  /** Renews the session if its time has come: when the page is seen or online again. */
  look: () => void;
  /** Makes this tab the one that renews by the clock. */
  lead: () => void;
  /** Does what gives a session: signs in, changes the workspace or the password. */
  change: (call: () => Promise<Told>) => Promise<void>;
  /** Asks the server who is signed in now: after something of it was changed. */
  reload: () => Promise<void>;
  signOut: () => Promise<void>;
}

const LOCK = 'notebook.session';
/** The clock is looked at so often, for timers stand still while a machine sleeps. */
const GLANCE = 30_000;

export function sessionKeeper(ports: Ports): SessionKeeper {
  const state = createStore<State>(start);
  const over = new AbortController();
  let leading = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let dueAt = 0;
  let renewal: Promise<Found> | null = null;

  const apply = (event: Event): void => {
    const before = state.get();
    const after = step(before, event);
    const message = telling(before, event, after, ports.now());
    if (message) ports.tell(message);
    if (after === before) return;
    state.set(after);
    if (after.kind === 'gone') over.abort();
    if (after.kind === 'signed_in') {
      ports.waiting(after.hold !== null);
      const old = before.kind === 'signed_in' ? before : null;
      if (old?.lease !== after.lease || old.hold !== after.hold) plan();
    } else clearTimeout(timer);
  };

  /** Sets when the next renewal by the clock is. */
  const plan = (): void => {
    const now = state.get();
    if (now.kind !== 'signed_in') return;
    const at = ports.now();
    dueAt = at.steady + (now.hold ? holdLeft(now, at) : untilDue(now.lease, at, ports.random()));
    watch();
  };
  const watch = (): void => {
    clearTimeout(timer);
    if (!leading || state.get().kind !== 'signed_in') return;
    timer = setTimeout(glance, Math.min(GLANCE, Math.max(0, dueAt - ports.now().steady)));
  };
  const glance = (): void => {
    if (ports.now().steady >= dueAt || isOverdue()) void renew({ kind: 'due' }).then(plan);
    else watch();
  };
  const isOverdue = (): boolean => {
    const now = state.get();
    return now.kind === 'signed_in' && !isHeld() && isDue(now.lease, ports.now());
  };
  const isHeld = (): boolean => {
    const now = state.get();
    return now.kind === 'signed_in' && holdLeft(now, ports.now()) > 0;
  };

  /** The session that a call tells, as an event. */
  const granted = async (call: () => Promise<Told>): Promise<Event & { kind: 'granted' }> => {
    const sent = ports.now();
    const { session, date } = await call();
    const { expires_at: ends } = session;
    if (ends !== undefined) {
      return { kind: 'granted', session, lease: leaseOf(ends, date, sent, ports.now()) };
    }
    // Who it is was told, and not for how long: what is known of that stays.
    const now = state.get();
    const lease: Lease = now.kind === 'signed_in' ? now.lease : shortLease(sent);
    return { kind: 'granted', session, lease };
  };

  const delay = (problem: Problem): void => {
    const now = state.get();
    if (now.kind !== 'signed_in') return apply({ kind: 'failed', problem });
    const failures = (now.hold?.failures ?? 0) + 1;
    const wait = Math.max(backoff(failures - 1, ports.random()), problem.retryAfter ?? 0);
    apply({ kind: 'delayed', hold: { problem, failures, wait, at: ports.now() } });
  };

  /** Asks, then renews, as far as it takes; alone among the tabs. */
  const renewAlone = async (cause: Cause): Promise<Found> => {
    let found: Found = 'unasked';
    for (;;) {
      const move = nextMove(state.get(), cause, found, ports.now());
      if (move === 'stop') {
        if (found === 'nobody') apply({ kind: 'nobody' });
        return found;
      }
      const asked = turnOf(state.get());
      try {
        const event = await granted(move === 'ask' ? ports.auth.session : ports.auth.refresh);
        apply(isTaken(cause, event.lease, ports.now()) ? event : { kind: 'nobody' });
        if (move === 'refresh') return 'session';
        found = 'session';
      } catch (error) {
        const problem = asProblem(error);
        if (problem.status !== 401) {
          delay(problem);
          return found;
        }
        if (move === 'refresh') {
          apply(state.get().kind === 'starting' ? { kind: 'nobody' } : { kind: 'refused', asked });
          return 'nobody';
        }
        found = 'nobody';
      }
    }
  };

  /** One renewal at a time; who comes meanwhile gets the result of the one under way. */
  const renew = (cause: Cause): Promise<Found> =>
    (renewal ??= exclusively(ports.locks, LOCK, () => renewAlone(cause))
      .catch((error: unknown): Found => {
        delay(asProblem(error));
        return 'unasked';
      })
      .finally(() => (renewal = null)));

  /** At the start nobody waits for the other tabs, as long as the session is good. */
  const enter = async (cause: Cause & { kind: 'start' }): Promise<void> => {
    try {
      const event = await granted(ports.auth.session);
      apply(isTaken(cause, event.lease, ports.now()) ? event : { kind: 'nobody' });
    } catch (error) {
      if (asProblem(error).status !== 401) throw error;
      await renew(cause);
    }
  };

  const recover = async (turn: number): Promise<void> => {
    // Twice: the renewal under way may have been for another reason.
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const now = remedy(state.get(), turn, ports.now());
      if (now.kind === 'again') return;
      if (now.kind === 'wait') throw now.problem;
      if (now.kind === 'over') throw new DOMException('The session is over.', 'AbortError');
      if ((await renew({ kind: 'unauthorized', turn })) === 'session') return;
    }
    const last = remedy(state.get(), turn, ports.now());
    if (last.kind === 'again') return;
    if (last.kind === 'wait') throw last.problem;
    throw new DOMException('The session is over.', 'AbortError');
  };

  const isFresh = (): boolean => {
    const now = state.get();
    return now.kind !== 'signed_in' || !isDue(now.lease, ports.now());
  };

  const change = async (call: () => Promise<Told>): Promise<void> => {
    const attempt = (): Promise<void> =>
      exclusively(ports.locks, LOCK, async () => apply(await granted(call)));
    const turn = turnOf(state.get());
    try {
      await attempt();
    } catch (error) {
      // A 401 that names a field is about what was typed.
      const expired = error instanceof Problem && error.status === 401 && error.field === null;
      if (!expired || state.get().kind !== 'signed_in') throw error;
      await recover(turn);
      await attempt();
    }
  };

  return {
    state,
    signal: over.signal,
    turn: () => turnOf(state.get()),
    recover,
    isFresh,
    fresh: async () => {
      if (!isFresh() && !isHeld()) await renew({ kind: 'due' });
    },
    begin: async (ended) => {
      apply({ kind: 'again' });
      try {
        const now = state.get();
        if (now.kind === 'starting' && now.registration === null) {
          apply({ kind: 'mode', auth: await ports.auth.mode() });
        }
        if (state.get().kind === 'starting') await enter({ kind: 'start', ended });
      } catch (error) {
        apply({ kind: 'failed', problem: asProblem(error) });
      }
    },
    hear: (message) => apply({ kind: 'heard', message, now: ports.now() }),
    look: () => {
      if (isOverdue()) void renew({ kind: 'due' });
    },
    lead: () => {
      leading = true;
      plan();
    },
    change,
    reload: () => change(ports.auth.session),
    signOut: async () => {
      await ports.auth.logout();
      apply({ kind: 'left' });
    },
  };
}

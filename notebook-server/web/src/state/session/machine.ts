import type { AuthMode, Session } from '@/api/session';
import { Problem } from '@/api/problem';
import { type Lease, type Reading, isDue, left, passed } from './lease';

/** Who may register, where people sign in. */
export type Registration = Extract<AuthMode, { mode: 'accounts' }>['registration'];

/** A renewal that did not come about, though nobody refused it: no more is asked before `wait` has passed. */
export interface Hold {
  problem: Problem;
  failures: number;
  wait: number;
  at: Reading;
}

export interface SignedIn {
  kind: 'signed_in';
  session: Session;
  lease: Lease;
  /** Counts the renewals that this page knows of. */
  turn: number;
  hold: Hold | null;
}

/**
 * What this page knows of its session. A page belongs to one user in one workspace for its whole life: when either
 * changes, or the session ends, the page is `gone` and is loaded anew, so that nothing of it can be left.
 */
export type State =
  | { kind: 'starting'; registration: Registration | null }
  | { kind: 'single_user' }
  | { kind: 'unreachable'; registration: Registration | null; problem: Problem }
  | { kind: 'signed_out'; registration: Registration }
  | SignedIn
  | { kind: 'gone'; why: 'left' | 'ended' | 'changed' };

export type Event =
  | { kind: 'mode'; auth: AuthMode }
  /** At the start: no reply. */
  | { kind: 'failed'; problem: Problem }
  | { kind: 'again' }
  /** At the start: nobody is signed in. */
  | { kind: 'nobody' }
  /** The server told a session. */
  | { kind: 'granted'; session: Session; lease: Lease }
  /** The server refused to renew, to a request sent in `asked`. */
  | { kind: 'refused'; asked: number }
  /** The server could not say. */
  | { kind: 'delayed'; hold: Hold }
  | { kind: 'left' }
  | { kind: 'heard'; message: Message; now: Reading };

/** What the tabs of a browser tell each other. `wall` is the clock they share, when it was said. */
export type Message =
  | { kind: 'session'; session: Session; expiresAt: number; left: number; wall: number }
  | { kind: 'delayed'; user: string; code: string; detail: string; status: number; wait: number }
  | { kind: 'ended'; user: string };

export const start: State = { kind: 'starting', registration: null };

export const turnOf = (state: State): number => (state.kind === 'signed_in' ? state.turn : 0);

/** The state after one event. What comes late, or is about another session, changes nothing. */
export function step(state: State, event: Event): State {
  switch (state.kind) {
    case 'starting':
      return begin(state, event);
    case 'unreachable':
      return event.kind === 'again' ? { kind: 'starting', registration: state.registration } : state;
    case 'signed_out':
      if (event.kind === 'granted') return enter(event);
      if (event.kind !== 'heard' || event.message.kind !== 'session') return state;
      return enter(toldBy(event.message, event.now));
    case 'signed_in':
      return goOn(state, event);
    case 'single_user':
    case 'gone':
      return state;
  }
}

function begin(state: State & { kind: 'starting' }, event: Event): State {
  const { registration } = state;
  switch (event.kind) {
    case 'mode':
      return event.auth.mode === 'single_user'
        ? { kind: 'single_user' }
        : { kind: 'starting', registration: event.auth.registration };
    case 'failed':
      return { kind: 'unreachable', registration, problem: event.problem };
    case 'nobody':
      return { kind: 'signed_out', registration: registration ?? 'closed' };
    case 'granted':
      return enter(event);
    default:
      // What other tabs say is left out: this page is about to ask for itself.
      return state;
  }
}

type Told = Pick<SignedIn, 'session' | 'lease'>;

const enter = ({ session, lease }: Told): SignedIn => ({
  kind: 'signed_in',
  session,
  lease,
  turn: 1,
  hold: null,
});

function goOn(state: SignedIn, event: Event): State {
  switch (event.kind) {
    case 'granted':
      return renewed(state, event);
    case 'refused':
      // Refused while another tab was given one: the refusal is about what is no longer held.
      return event.asked === state.turn ? { kind: 'gone', why: 'ended' } : state;
    case 'delayed':
      return { ...state, hold: event.hold };
    case 'left':
      return { kind: 'gone', why: 'left' };
    case 'heard':
      return heard(state, event.message, event.now);
    default:
      return state;
  }
}

function heard(state: SignedIn, message: Message, now: Reading): State {
  if (message.kind === 'session') return renewed(state, toldBy(message, now));
  if (message.user !== state.session.user.id) return state;
  if (message.kind === 'ended') return { kind: 'gone', why: 'ended' };
  const { code, detail, status, wait } = message;
  const problem = new Problem(code, detail, status);
  return { ...state, hold: { problem, failures: state.hold?.failures ?? 0, wait, at: now } };
}

/** Counting clocks differ between tabs; the one that people set is theirs together. */
const toldBy = (message: Message & { kind: 'session' }, now: Reading): Told => ({
  session: message.session,
  lease: {
    expiresAt: message.expiresAt,
    life: message.left,
    at: { wall: message.wall, steady: now.steady },
  },
});

/** The session as told again. A reply that was overtaken has the earlier end. */
function renewed(state: SignedIn, { session, lease }: Told): State {
  const mine = state.session;
  if (session.user.id !== mine.user.id || session.workspace.id !== mine.workspace.id) {
    return { kind: 'gone', why: 'changed' };
  }
  if (lease.expiresAt < state.lease.expiresAt) return state;
  if (lease.expiresAt === state.lease.expiresAt) {
    return JSON.stringify(session) === JSON.stringify(mine) ? state : { ...state, session };
  }
  return { ...state, session, lease, turn: state.turn + 1, hold: null };
}

/** What the other tabs are told of a step, if it was this tab's own. */
export function telling(before: State, event: Event, after: State, now: Reading): Message | null {
  if (after === before) return null;
  if (event.kind === 'granted') {
    const { session, lease } = event;
    return { kind: 'session', session, expiresAt: lease.expiresAt, left: left(lease, now), wall: now.wall };
  }
  if (before.kind !== 'signed_in') return null;
  const user = before.session.user.id;
  if (event.kind === 'refused' || event.kind === 'left') return { kind: 'ended', user };
  if (event.kind !== 'delayed') return null;
  const { problem, wait } = event.hold;
  return {
    kind: 'delayed',
    user,
    code: problem.code,
    detail: problem.detail,
    status: problem.status,
    wait,
  };
}

/** Milliseconds before which the server is not asked for a renewal again. */
export const holdLeft = (state: SignedIn, now: Reading): number =>
  state.hold ? Math.max(0, state.hold.wait - passed(state.hold.at, now)) : 0;

/** What becomes of a request that was sent in `turn` and met 401. */
export type Remedy =
  /** The session was renewed since: send it again. */
  | { kind: 'again' }
  /** Renew the session first. */
  | { kind: 'renew' }
  /** The server could not renew it a moment ago. */
  | { kind: 'wait'; problem: Problem }
  /** There is no session. */
  | { kind: 'over' };

export function remedy(state: State, turn: number, now: Reading): Remedy {
  if (state.kind !== 'signed_in') return { kind: 'over' };
  if (turn < state.turn) return { kind: 'again' };
  if (state.hold && holdLeft(state, now) > 0) return { kind: 'wait', problem: state.hold.problem };
  return { kind: 'renew' };
}

/**
 * Why somebody asks for a renewal: the page starts (`ended`: because a session ended in it), the time has come, or a
 * request sent in `turn` met 401.
 */
export type Cause =
  { kind: 'start'; ended: boolean } | { kind: 'due' } | { kind: 'unauthorized'; turn: number };

/** What came of the question who is signed in. */
export type Found = 'unasked' | 'session' | 'nobody';

/**
 * What is next for whoever holds the tabs' lock. First always the question who is signed in: its answer shows whether
 * another tab has renewed the session a moment ago, whatever was heard of that.
 */
export function nextMove(state: State, cause: Cause, found: Found, now: Reading): 'ask' | 'refresh' | 'stop' {
  if (!isWanted(state, cause, now)) return 'stop';
  if (found === 'unasked') return 'ask';
  // A page that was loaded because its session ended does not try to bring that one back.
  if (found === 'nobody') return cause.kind === 'start' && cause.ended ? 'stop' : 'refresh';
  return cause.kind === 'due' ? 'refresh' : 'stop';
}

function isWanted(state: State, cause: Cause, now: Reading): boolean {
  if (cause.kind === 'start') return state.kind === 'starting';
  if (state.kind !== 'signed_in') return false;
  return cause.kind === 'due' ? isDue(state.lease, now) : cause.turn >= state.turn;
}

/** Whether a page that starts takes a session that it was told: not one about to end, after one has ended here. */
export const isTaken = (cause: Cause, lease: Lease, now: Reading): boolean =>
  cause.kind !== 'start' || !cause.ended || left(lease, now) > 60_000;

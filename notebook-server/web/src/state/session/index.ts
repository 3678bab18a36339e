import { setKeeper } from '@/api/keeper';
import { auth, type Permission, type Session } from '@/api/session';
import { backoff } from '@/api/sse/backoff';
import { reportStream } from '@/state/connection';
import { forgetPersonal, openPersonal } from '@/state/saved';
import { useSelected, useStore } from '@/state/store';
import type { Locks } from './exclusive';
import { sessionKeeper } from './keeper';
import type { Message, State } from './machine';

const NAME = 'notebook.session';
const LEADER = 'notebook.session.timer';
/** In the tab's own storage: the page was loaded because its session ended, and how. */
const ENDED = 'notebook.ended';

const channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel(NAME);
const locks = (navigator as { locks?: Locks }).locks ?? null;

/** This page's session, whoever signs in or nobody. */
export const session = sessionKeeper({
  auth,
  locks,
  tell: (message) => channel?.postMessage(message),
  now: () => ({ wall: Date.now(), steady: performance.now() }),
  random: Math.random,
  waiting: (is) => reportStream(NAME, is ? 'waiting' : 'closed'),
});

/** How the last session in this tab ended, if the page was loaded for that. */
export const endedBefore = takeEnded();

/** Starts the session; called once, before anything is drawn. */
export function startSession(): void {
  channel?.addEventListener('message', (event: MessageEvent<Message>) => session.hear(event.data));
  let before = session.state.get();
  session.state.subscribe(() => {
    const now = session.state.get();
    if (now.kind !== before.kind) entered(now);
    before = now;
  });
  void session.begin(endedBefore !== null);
}

function entered(state: State): void {
  if (state.kind === 'signed_in') {
    setKeeper(session);
    openPersonal(state.session.user.id, state.session.workspace.id);
    follow();
  }
  if (state.kind === 'unreachable') retry();
  if (state.kind === 'gone') leave(state.why);
}

/** Looks after the session for as long as the page lives. */
function follow(): void {
  const seen = (): void => {
    if (!document.hidden) session.look();
  };
  document.addEventListener('visibilitychange', seen);
  window.addEventListener('focus', seen);
  window.addEventListener('online', seen);
  // A page that the browser took out of its memory missed what the others told.
  window.addEventListener('pageshow', (event) => {
    if (event.persisted) location.reload();
  });
  if (!locks) session.lead();
  else {
    // Held until the page goes: the next tab in the queue follows.
    void locks.request(LEADER, {}, () => {
      session.lead();
      return new Promise<never>(() => undefined);
    });
  }
}

let retries = 0;
function retry(): void {
  setTimeout(() => void session.begin(endedBefore !== null), backoff(retries, Math.random()));
  retries += 1;
}

/** Loads the page anew: nothing of what it held outlives that. */
function leave(why: 'left' | 'ended' | 'changed'): void {
  if (why !== 'changed') {
    forgetPersonal();
    keepEnded(why);
  }
  // Where the session ended by itself the person comes back to the same place.
  if (why !== 'ended') history.replaceState(null, '', '/');
  location.reload();
}

function keepEnded(why: 'left' | 'ended'): void {
  try {
    sessionStorage.setItem(ENDED, why);
  } catch {
    // Then the page asks once more than it needs to.
  }
}

function takeEnded(): 'left' | 'ended' | null {
  try {
    const why = sessionStorage.getItem(ENDED);
    sessionStorage.removeItem(ENDED);
    return why === 'left' || why === 'ended' ? why : null;
  } catch {
    return null;
  }
}

export const useSessionState = (): State => useStore(session.state);

const sessionOf = (state: State): Session | null => (state.kind === 'signed_in' ? state.session : null);

/** Who is signed in; null where nobody has to. */
export const useSession = (): Session | null => useSelected(session.state, sessionOf);

/** Whether this may be offered. The server decides; where nobody signs in everything may. */
export function useMay(...needed: Permission[]): boolean {
  const now = useSession();
  return now === null || needed.every((each) => now.permissions.includes(each));
}

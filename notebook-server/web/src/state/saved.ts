import { type Store, createStore } from './store';

/** Storage may be absent or full (private windows): then a value lives for the page only. */
export function loadSaved<T>(key: string, fallback: T, valid: (value: unknown) => value is T): T {
  try {
    const text = localStorage.getItem(key);
    if (text === null) return fallback;
    const value: unknown = JSON.parse(text);
    return valid(value) ? value : fallback;
  } catch {
    return fallback;
  }
}

export function save(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Kept in memory only.
  }
}

/** A store that is kept in local storage and follows other tabs. */
export function savedStore<T>(key: string, fallback: T, valid: (value: unknown) => value is T): Store<T> {
  const store = createStore(loadSaved(key, fallback, valid));
  store.subscribe(() => save(key, store.get()));
  window.addEventListener('storage', (event) => {
    if (event.key === key) store.set(loadSaved(key, fallback, valid));
  });
  return store;
}

const PERSONAL = 'notebook.personal.';
/** Begins the keys of personal stores once it is known whose they are. */
let prefix = '';
const openings = new Set<() => void>();
/** Nothing is kept any more: the page is about to go. */
let closed = false;

/**
 * A saved store of what belongs to one user in one workspace. Until `openPersonal` says who that is, and where nobody
 * signs in, it is kept under the plain key.
 */
export function personalStore<T>(key: string, fallback: T, valid: (value: unknown) => value is T): Store<T> {
  const saved = (): T => loadSaved(prefix + key, fallback, valid);
  const store = createStore(saved());
  const load = (): void => {
    if (!closed) store.set(saved());
  };
  store.subscribe(() => {
    if (!closed) save(prefix + key, store.get());
  });
  window.addEventListener('storage', (event) => {
    if (event.key === prefix + key) load();
  });
  openings.add(load);
  return store;
}

/** From now on personal stores are this user's in this workspace. */
export function openPersonal(user: string, workspace: string): void {
  prefix = `${PERSONAL}${user}.${workspace}.`;
  for (const open of openings) open();
}

/** Removes what users that signed in left in this browser; nothing of theirs is kept from now on. */
export function forgetPersonal(): void {
  closed = true;
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith(PERSONAL)) localStorage.removeItem(key);
  } catch {
    // Nothing was kept.
  }
}

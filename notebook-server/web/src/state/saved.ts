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

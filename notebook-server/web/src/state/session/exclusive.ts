/** What is used of the browser's locks, which all its tabs share. */
export interface Locks {
  request: <T>(
    name: string,
    options: { signal?: AbortSignal; steal?: boolean },
    work: () => Promise<T>,
  ) => Promise<T>;
}

/** A tab that the system froze keeps its lock: after so long it is taken from it. */
const PATIENCE = 25_000;

/**
 * Does work that only one tab may do at a time. Without locks (an insecure page) tabs are on their own: the server bears
 * renewals at the same time.
 */
export async function exclusively<T>(locks: Locks | null, name: string, work: () => Promise<T>): Promise<T> {
  if (!locks) return work();
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE);
  const begun: { work: Promise<T> | null } = { work: null };
  const begin = (): Promise<T> => {
    clearTimeout(timer);
    return (begun.work = work());
  };
  try {
    return await locks.request(name, { signal: patience.signal }, begin);
  } catch (error) {
    // Taken away in the middle: what is under way comes to its end all the same.
    if (begun.work) return await begun.work;
    if (!patience.signal.aborted) throw error;
    return await locks.request(name, { steal: true }, work);
  } finally {
    clearTimeout(timer);
  }
}

/** Who keeps the session, as far as a request needs to know. */
export interface Keeper {
  /** Counts the renewals that this page knows of: taken before a request is sent. */
  turn: () => number;
  /**
   * A request sent in `turn` met 401: resolves when it may be sent once more, throws what is to be shown when not.
   */
  recover: (turn: number) => Promise<void>;
  /** Resolves when the session is good for a while: before a request that cannot be repeated cheaply. */
  fresh: () => Promise<void>;
  /** Whether `fresh` has nothing to do. */
  isFresh: () => boolean;
  /** Aborted when the session is over: everything under way ends with it. */
  signal: AbortSignal;
}

let current: Keeper | null = null;

/** Who keeps the session; nobody where people do not sign in. */
export const keeper = (): Keeper | null => current;

export const setKeeper = (next: Keeper | null): void => {
  current = next;
};

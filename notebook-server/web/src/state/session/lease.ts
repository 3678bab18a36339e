/**
 * Two clocks of this page at one moment, in milliseconds: the one people set, and one that only counts. The first
 * jumps when it is set, the second may stand still while the machine sleeps.
 */
export interface Reading {
  wall: number;
  steady: number;
}

/** How long the access token is good, as the server said at some moment. */
export interface Lease {
  /** Its end by the server's clock. */
  expiresAt: number;
  /** Milliseconds from `at` to its end. */
  life: number;
  at: Reading;
}

/** What passed since a reading: by the clock that counted more, so that neither sleep nor a set-back clock hides it. */
export const passed = (since: Reading, now: Reading): number =>
  Math.max(0, now.wall - since.wall, now.steady - since.steady);

/**
 * A lease from a reply. What passed is counted from when the request was sent, for the server may have answered at once.
 * `date` is the server's clock to the second (0 to 999 ms behind); this machine's own says which millisecond, where it agrees.
 */
export function leaseOf(expiresAt: number, date: number | null, sent: Reading, received: Reading): Lease {
  const server = date === null ? received.wall : Math.min(Math.max(received.wall, date), date + 999);
  return { expiresAt, life: expiresAt - server, at: sent };
}

/** A lease of which nobody said how long it is: good for now, and to be renewed soon. */
export const shortLease = (now: Reading): Lease => ({ expiresAt: 0, life: 0, at: now });

export const left = (lease: Lease, now: Reading): number => lease.life - passed(lease.at, now);

const MINUTE = 60_000;

/** How long before its end a lease is renewed: a minute, or a fifth of a short one. `random` in [0, 1) adds up to a quarter. */
const lead = (lease: Lease, random: number): number => Math.min(MINUTE, lease.life / 5) * (1 + random / 4);

export const isDue = (lease: Lease, now: Reading): boolean => left(lease, now) <= lead(lease, 1);

/** Renewals by the clock are never closer together, whatever the server says. */
const SHORTEST = 1_000;

/** Milliseconds until a lease is to be renewed: at a moment by chance, so that many browsers do not come together. */
export function untilDue(lease: Lease, now: Reading, random: number): number {
  const rest = left(lease, now);
  return Math.max(SHORTEST, rest / 2, rest - lead(lease, random));
}

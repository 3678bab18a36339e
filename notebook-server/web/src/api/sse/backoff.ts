export const FIRST_DELAY = 1_000;
export const LONGEST_DELAY = 30_000;

/**
 * Milliseconds to wait before attempt number `attempt` (from 0): doubles from 1 s to 30 s,
 * of which the upper half is chance, so that many pages do not come back at once.
 * `floor` is what the server asked for by `retry:`; `random` is in [0, 1).
 */
export function backoff(attempt: number, random: number, floor = 0): number {
  const whole = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** Math.min(attempt, 10));
  const jittered = whole / 2 + (whole / 2) * random;
  return Math.min(LONGEST_DELAY, Math.max(jittered, FIRST_DELAY, floor));
}

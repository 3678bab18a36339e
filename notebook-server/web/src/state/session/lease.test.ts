import { describe, expect, it } from 'vitest';
import { isDue, leaseOf, left, untilDue } from './lease';

const at = (wall: number, steady = wall) => ({ wall, steady });
const HOUR = 3_600_000;
const LIFE = 900_000;
const lease = leaseOf(LIFE, 0, at(0), at(0));

describe('a lease', () => {
  it('is as long as the server says, whatever this machine’s clock shows (R25)', () => {
    for (const skew of [-HOUR, 0, HOUR]) {
      const told = leaseOf(5_000 + LIFE, 5_000, at(skew, 0), at(skew + 40, 40));
      expect(left(told, at(skew + 40, 40))).toBeGreaterThan(LIFE - 1_050);
      expect(left(told, at(skew + 40, 40))).toBeLessThanOrEqual(LIFE);
    }
  });

  it('is never taken for longer than it is when the reply was slow', () => {
    const told = leaseOf(LIFE, 0, at(0), at(8_000));
    expect(left(told, at(8_000))).toBeLessThanOrEqual(LIFE - 8_000);
  });

  it('goes on while the machine sleeps and when the clock is set back', () => {
    expect(left(lease, at(HOUR, 1_000))).toBeLessThan(0);
    expect(left(lease, at(-HOUR, LIFE))).toBe(0);
  });

  it('is due a minute before its end, or a fifth of a short one', () => {
    expect(isDue(lease, at(LIFE - 75_001))).toBe(false);
    expect(isDue(lease, at(LIFE - 75_000))).toBe(true);
    const short = leaseOf(1_600, 0, at(0), at(0));
    expect([1_199, 1_200].map((time) => isDue(short, at(time)))).toEqual([false, true]);
  });

  it('is renewed at a moment by chance, at which it is due', () => {
    expect(untilDue(lease, at(0), 0)).toBe(LIFE - 60_000);
    expect(untilDue(lease, at(0), 0.999)).toBeGreaterThan(LIFE - 75_000);
    for (const random of [0, 0.5, 0.999]) {
      expect(isDue(lease, at(untilDue(lease, at(0), random)))).toBe(true);
    }
  });

  it('is not renewed again at once, however near its end it is told', () => {
    expect(untilDue(lease, at(LIFE - 30_000), 0)).toBe(15_000);
    expect(untilDue(lease, at(2 * LIFE), 0)).toBe(1_000);
  });
});

import { expect, it } from 'vitest';
import { backoff } from './backoff';

it('doubles from 1 s to 30 s without chance', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 99].map((attempt) => backoff(attempt, 0.999999)).map(Math.round)).toEqual([
    1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000,
  ]);
});

it('never waits less than 1 s or more than 30 s, whatever the chance', () => {
  for (let attempt = 0; attempt < 12; attempt += 1) {
    for (const random of [0, 0.3, 0.7, 0.9999]) {
      expect(backoff(attempt, random)).toBeGreaterThanOrEqual(1000);
      expect(backoff(attempt, random)).toBeLessThanOrEqual(30_000);
    }
  }
});

it('spreads the waits of many pages', () => {
  expect(backoff(4, 0)).toBe(8000);
  expect(backoff(4, 0.5)).toBe(12_000);
});

it('respects what the server asks for, within the longest wait', () => {
  expect(backoff(0, 0, 5000)).toBe(5000);
  expect(backoff(0, 0, 90_000)).toBe(30_000);
});

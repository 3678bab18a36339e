import { describe, expect, it } from 'vitest';
import type { Job } from '@/api/types';
import { pause, untilDone } from './job';

const job = (state: Job['state'], more: Partial<Job> = {}): Job => ({
  id: 'j',
  kind: 'export',
  state,
  progress: { done: 0, total: 0 },
  result: null,
  error: null,
  ...more,
});

const ends = (states: Job[], signal = new AbortController().signal) => {
  const waits: number[] = [];
  const left = [...states];
  const get = (): Promise<Job> => Promise.resolve(left.shift() ?? job('dead'));
  const wait = (milliseconds: number): Promise<void> => {
    waits.push(milliseconds);
    return Promise.resolve();
  };
  return { waits, result: untilDone(get, wait, signal) };
};

describe('untilDone', () => {
  it('waits for the result', async () => {
    const { waits, result } = ends([
      job('available'),
      job('running'),
      job('completed', { result: { a: 1 } }),
    ]);
    expect(await result).toEqual({ a: 1 });
    expect(waits).toEqual([100, 200]);
  });

  it('tells why a job failed', async () => {
    const error = { code: 'too_large', message: 'Choose Markdown.' };
    const { result } = ends([job('dead', { error })]);
    await expect(result).rejects.toMatchObject({ code: 'too_large', detail: 'Choose Markdown.' });
  });

  it('ends when it is no longer wanted', async () => {
    const controller = new AbortController();
    controller.abort();
    await expect(ends([job('completed')], controller.signal).result).rejects.toBeTruthy();
  });

  it('asks less and less often', () => {
    expect([0, 1, 2, 3, 4, 20].map(pause)).toEqual([100, 200, 400, 800, 1000, 1000]);
  });
});

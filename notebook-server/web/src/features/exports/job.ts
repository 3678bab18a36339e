import { Problem } from '@/api/problem';
import type { Job } from '@/api/types';

/** How long to wait before a job is asked after again: soon at first, then every second. */
export const pause = (asked: number): number => Math.min(100 * 2 ** asked, 1000);

/** A job's result once it has ended well; throws what it ended with else, and when it is no longer wanted. */
export async function untilDone(
  get: () => Promise<Job>,
  wait: (milliseconds: number) => Promise<void>,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  for (let asked = 0; ; asked += 1) {
    signal.throwIfAborted();
    const job = await get();
    if (job.state === 'completed') return job.result ?? {};
    if (job.state === 'dead' || job.state === 'cancelled') {
      throw new Problem(job.error?.code ?? job.state, job.error?.message ?? job.state, -1);
    }
    await wait(pause(asked));
  }
}

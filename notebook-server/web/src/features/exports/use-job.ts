import { useQuery } from '@tanstack/react-query';
import { useId } from 'react';
import { jobs } from '@/api/endpoints';
import type { Id } from '@/api/types';
import { untilDone } from './job';

const sleep = (milliseconds: number): Promise<void> => new Promise((done) => setTimeout(done, milliseconds));

/** Starts a job once, when first shown, and follows it to its end. */
export function useJob<T>(
  start: () => Promise<{ job: Id }>,
  done: (job: Id, result: Record<string, unknown>) => T,
) {
  const key = useId();
  return useQuery({
    queryKey: ['job', key],
    queryFn: async ({ signal }) => {
      const { job } = await start();
      return done(job, await untilDone(() => jobs.get(job), sleep, signal));
    },
    retry: false,
    gcTime: 0,
    staleTime: Infinity,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
}

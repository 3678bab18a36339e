import type { Source } from '@/api/types';
import type { Problem } from '@/api/problem';

/** One file on its way to the server. */
export type UploadState =
  | { kind: 'waiting' }
  | { kind: 'sending'; sent: number; total: number }
  /** Every byte is sent; the server has not answered yet. */
  | { kind: 'storing' }
  | { kind: 'accepted'; source: Source }
  | { kind: 'failed'; code: string; message: string; requestId: string | null; retryable: boolean }
  | { kind: 'cancelled' };

export type UploadEvent =
  | { kind: 'start'; total: number }
  | { kind: 'progress'; sent: number; total: number }
  | { kind: 'accepted'; source: Source }
  | { kind: 'failed'; problem: Problem }
  | { kind: 'cancel' }
  | { kind: 'retry' };

export const inFlight = (state: UploadState): boolean => state.kind === 'sending' || state.kind === 'storing';

export const finished = (state: UploadState): boolean =>
  state.kind === 'accepted' || state.kind === 'failed' || state.kind === 'cancelled';

/** The next state; an event that does not fit (a late progress after a cancel) changes nothing. */
export function stepUpload(state: UploadState, event: UploadEvent): UploadState {
  switch (event.kind) {
    case 'start':
      return state.kind === 'waiting' ? { kind: 'sending', sent: 0, total: event.total } : state;
    case 'progress':
      if (!inFlight(state)) return state;
      return event.sent >= event.total
        ? { kind: 'storing' }
        : { kind: 'sending', sent: event.sent, total: event.total };
    case 'accepted':
      return inFlight(state) ? { kind: 'accepted', source: event.source } : state;
    case 'failed':
      return finished(state) ? state : failure(event.problem);
    case 'cancel':
      return state.kind === 'accepted' ? state : { kind: 'cancelled' };
    case 'retry':
      return state.kind === 'failed' ? { kind: 'waiting' } : state;
  }
}

const failure = (problem: Problem): UploadState => ({
  kind: 'failed',
  code: problem.code,
  message: problem.detail,
  requestId: problem.requestId,
  retryable: problem.retryable,
});

import { describe, expect, it } from 'vitest';
import { Problem } from '@/api/problem';
import type { Source } from '@/api/types';
import { type UploadEvent, type UploadState, stepUpload } from './upload-machine';

const source = { id: 's' } as Source;
const run = (...events: UploadEvent[]): UploadState =>
  events.reduce(stepUpload, { kind: 'waiting' } as UploadState);
const start: UploadEvent = { kind: 'start', total: 10 };
const failed: UploadEvent = { kind: 'failed', problem: new Problem('too_large', 'Too large.', 413, 'q1') };

describe('upload', () => {
  it('goes from waiting over sending and storing to accepted', () => {
    expect(run(start, { kind: 'progress', sent: 4, total: 10 })).toEqual({
      kind: 'sending',
      sent: 4,
      total: 10,
    });
    expect(run(start, { kind: 'progress', sent: 10, total: 10 })).toEqual({ kind: 'storing' });
    expect(run(start, { kind: 'accepted', source })).toEqual({ kind: 'accepted', source });
  });

  it('fails with the reason and the request id, and starts again on retry', () => {
    const state = run(start, failed);
    expect(state).toMatchObject({ kind: 'failed', message: 'Too large.', requestId: 'q1', retryable: false });
    expect(stepUpload(state, { kind: 'retry' })).toEqual({ kind: 'waiting' });
  });

  it('can fail before it starts', () => {
    expect(run(failed).kind).toBe('failed');
  });

  it('ignores what comes after a cancel', () => {
    const late: UploadEvent[] = [
      { kind: 'progress', sent: 5, total: 10 },
      { kind: 'accepted', source },
      failed,
    ];
    for (const event of late) expect(run(start, { kind: 'cancel' }, event)).toEqual({ kind: 'cancelled' });
  });

  it('does not cancel or retry what the server accepted', () => {
    const accepted = run(start, { kind: 'accepted', source });
    expect(stepUpload(accepted, { kind: 'cancel' })).toBe(accepted);
    expect(stepUpload(accepted, { kind: 'retry' })).toBe(accepted);
  });

  it('does not start twice', () => {
    const sending = run(start, { kind: 'progress', sent: 4, total: 10 });
    expect(stepUpload(sending, start)).toBe(sending);
  });
});

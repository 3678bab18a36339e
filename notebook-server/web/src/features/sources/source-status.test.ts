import { describe, expect, it } from 'vitest';
import type { Source } from '@/api/types';
import { en } from '@/i18n/en';
import { statusOf } from './source-status';

const source = (kind: string, done: number, total: number): Source =>
  ({ kind, stage: 'parse', progress: { done, total }, keywords_ready: false }) as Source;

describe('the status of a source', () => {
  it('A2: says how it is read', () => {
    const label = (kind: string): string => statusOf(source(kind, 0, 0), en).label;
    expect(['pdf', 'png', 'm4a'].map(label)).toEqual(['Reading', 'Reading the image…', 'Transcribing…']);
  });

  it('A2: shows how far a recording is heard', () => {
    expect(statusOf(source('wav', 30, 120), en).progress).toBe(0.25);
    expect(statusOf(source('wav', 30, 0), en).progress).toBeNull();
  });
});

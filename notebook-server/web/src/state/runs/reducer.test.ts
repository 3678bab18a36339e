import { describe, expect, it } from 'vitest';
import type { RunEvent } from '@/api/types';
import { freshRun, orderOf, step, stepAll } from './reducer';

const citation = {
  number: 1,
  at: 5,
  at_utf16: 5,
  source: 's',
  span: { start: 0, end: 4 },
  page: 2,
  quote: 'text',
};
const usage = { prompt_tokens: 9, completion_tokens: 3, exact: true, cost_micros: null };
const log: RunEvent[] = [
  { seq: 1, type: 'started', answer: 'a', model: 'local/m' },
  { seq: 2, type: 'retrieved', mode: 'hybrid', passages: 4, partial: false, timings: [] },
  { seq: 3, type: 'delta', text: 'Grüße' },
  { seq: 4, type: 'citation', ...citation },
  { seq: 5, type: 'delta', text: ' 👋 end' },
  { seq: 6, type: 'warning', code: 'context_full', message: 'Left out 2 messages.' },
  { seq: 7, type: 'completed', usage, abstained: false, dropped_citations: 1, timings: [] },
];

describe('run reducer', () => {
  it('collects text, citations, warnings and facts', () => {
    const run = stepAll(freshRun, log);
    expect(run).toMatchObject({ state: 'completed', text: 'Grüße 👋 end', model: 'local/m', mode: 'hybrid' });
    expect(run).toMatchObject({ droppedCitations: 1, lastSeq: 7, usage });
    expect(run.citations).toEqual([citation]);
    expect(run.warnings).toHaveLength(1);
  });

  it('counts a repeated event once (S46)', () => {
    expect(
      stepAll(
        freshRun,
        log.flatMap((event) => [event, event]),
      ),
    ).toEqual(stepAll(freshRun, log));
  });

  it('gives the same run when resumed after any event, with or without overlap (S43)', () => {
    const whole = stepAll(freshRun, log);
    for (let cut = 0; cut <= log.length; cut += 1) {
      const half = stepAll(freshRun, log.slice(0, cut));
      expect(stepAll(half, log.slice(cut))).toEqual(whole);
      expect(stepAll(half, log)).toEqual(whole);
    }
  });

  it('does not step over a gap', () => {
    const run = stepAll(freshRun, [log[0]!, log[4]!]);
    expect(run.text).toBe('');
    expect(run.lastSeq).toBe(1);
    expect(orderOf(1, log[4]!)).toBe('gap');
  });

  it('drops what a lost worker wrote when another begins anew (S47)', () => {
    const second = 2 ** 20;
    const anew: RunEvent[] = [
      { seq: second + 1, type: 'restarted' },
      { seq: second + 2, type: 'started', answer: 'a', model: 'local/m' },
      { seq: second + 3, type: 'delta', text: 'anew' },
    ];
    const half = stepAll(freshRun, log.slice(0, 6));
    const run = stepAll(half, anew);
    expect(run).toMatchObject({ state: 'running', text: 'anew', citations: [], warnings: [] });
    expect(run.lastSeq).toBe(second + 3);
    // Whoever comes later sees the same.
    expect(stepAll(freshRun, [...log.slice(0, 3), ...anew]).text).toBe('anew');
    expect(orderOf(6, anew[1]!)).toBe('gap');
  });

  it('replaces what it has by a resync, over any gap (S45)', () => {
    const before = stepAll(freshRun, log.slice(0, 3));
    const run = step(before, { seq: 40, type: 'resync', text: 'whole so far', citations: [citation] });
    expect(run).toMatchObject({ text: 'whole so far', lastSeq: 40, state: 'running' });
    expect(step(run, { seq: 41, type: 'delta', text: '.' }).text).toBe('whole so far.');
  });

  it('keeps the partial text when stopped, failed or abandoned, and takes nothing after the end', () => {
    const half = stepAll(freshRun, log.slice(0, 3));
    for (const type of ['stopped', 'abandoned'] as const) {
      const run = step(half, { seq: 4, type });
      expect(run).toMatchObject({ state: type, text: 'Grüße' });
      expect(step(run, { seq: 5, type: 'delta', text: 'x' })).toBe(run);
    }
    const failed = step(half, { seq: 4, type: 'failed', code: 'c', message: 'm', retryable: true });
    expect(failed).toMatchObject({ state: 'failed', text: 'Grüße', failure: { code: 'c' } });
  });

  it('keeps the steps of a research, and what it asks, whatever worker goes on with it (D3, D5)', () => {
    const second = 2 ** 20;
    const asked: RunEvent[] = [
      { seq: 1, type: 'started', answer: 'a', model: 'm' },
      { seq: 2, type: 'tool_called', call: '1.1', tool: 'search_sources', arguments: '{"query":"tides"}' },
      { seq: 3, type: 'tool_answered', call: '1.1', tool: 'search_sources', passages: 2, failure: null },
      { seq: 4, type: 'tool_called', call: '1.2', tool: 'write_note', arguments: '{}' },
      { seq: 5, type: 'approval_requested', approval: 'q', tool: 'write_note', reason: 'r', expires_at: 9 },
    ];
    const parked = stepAll(freshRun, asked);
    expect(parked.steps.map(({ state, passages }) => [state, passages])).toEqual([
      ['done', 2],
      ['running', 0],
    ]);
    expect(parked.questions).toEqual([{ id: 'q', tool: 'write_note', state: 'pending' }]);
    const later = stepAll(parked, [
      { seq: second + 1, type: 'restarted' },
      { seq: second + 2, type: 'started', answer: 'a', model: 'm' },
      { seq: second + 3, type: 'approval_decided', approval: 'q', tool: 'write_note', state: 'refused' },
      {
        seq: second + 4,
        type: 'tool_answered',
        call: '1.2',
        tool: 'write_note',
        passages: 0,
        failure: 'refused',
      },
      { seq: second + 5, type: 'tool_answered', call: '2.1', tool: 'lost', passages: 0, failure: null },
    ]);
    expect(later.steps.map(({ tool, state }) => `${tool} ${state}`)).toEqual([
      'search_sources done',
      'write_note failed',
      'lost done',
    ]);
    expect(later.questions).toEqual([{ id: 'q', tool: 'write_note', state: 'refused' }]);
  });

  it('passes over kinds it does not know', () => {
    const run = step(freshRun, { seq: 1, type: 'later_invention' } as unknown as RunEvent);
    expect(run.lastSeq).toBe(1);
    expect(run.text).toBe('');
  });
});

import { describe, expect, it } from 'vitest';
import { en } from '@/i18n/research/en';
import type { Step } from '@/state/runs/reducer';
import { stepDetail, stepFailure, stepLabel } from './steps';

const step = (tool: string, given: string): Step => ({
  call: '1.1',
  tool,
  arguments: given,
  state: 'done',
  passages: 0,
  failure: null,
});

describe('steps of a research (D3)', () => {
  it('says what was searched for', () => {
    expect(stepLabel(step('search_sources', '{"query":"neap tides"}'), en)).toBe('Searched for “neap tides”');
  });

  it('calls a tool by its name where its arguments are cut, no JSON, or none it knows', () => {
    for (const given of ['{"query":"very lo…', '', '[]', 'null', '{"query":7}'])
      expect(stepLabel(step('search_sources', given), en)).toBe('Tool search_sources');
    expect(stepLabel(step('weather__today', '{}'), en)).toBe('Tool weather__today');
  });

  it('shows the query of a table, and what a tool of another program is asked', () => {
    expect(stepDetail(step('query_table', '{"source":"1","sql":"SELECT 1"}'))).toBe('SELECT 1');
    expect(stepDetail(step('query_table', '{"sql":"SEL…'))).toBeNull();
    expect(stepDetail(step('files__read', '{"path":"a.txt"}'))).toBe('{"path":"a.txt"}');
    for (const nothing of ['', '{}', ' { } ']) expect(stepDetail(step('files__list', nothing))).toBeNull();
    expect(stepDetail(step('search_sources', '{"query":"neap tides"}'))).toBeNull();
  });

  it('says in words why a step did not work, and the code where it has none', () => {
    expect(stepFailure('refused', en)).toMatch(/^not allowed/);
    expect(stepFailure('toString', en)).toBe('did not work (toString)');
    expect(stepFailure('storm', en)).toBe('did not work (storm)');
  });
});

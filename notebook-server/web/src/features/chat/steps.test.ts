import { describe, expect, it } from 'vitest';
import { en } from '@/i18n/research/en';
import type { Step } from '@/state/runs/reducer';
import { stepLabel } from './steps';

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
      expect(stepLabel(step('search_sources', given), en)).toBe('Used search_sources');
    expect(stepLabel(step('weather__today', '{}'), en)).toBe('Used weather__today');
  });
});

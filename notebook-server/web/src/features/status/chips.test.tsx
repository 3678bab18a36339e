import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, render, screen } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';
import type { Status } from '@/api/types';
import { de } from '@/i18n/de';
import { en } from '@/i18n/en';
import { ModelCard } from './chips';

afterEach(cleanup);

const status = (rerank: Status['rerank']): Status => ({
  version: '1.0.0',
  chat: { label: 'a/b', provider: 'a', model: 'b', local: true, reason: 'set', check: 'ok' },
  embedding: null,
  embedding_reason: null,
  rerank,
  models: [],
  operator: false,
  limits: { document_bytes: 1, image_bytes: 1, audio_bytes: 1, question_bytes: 1 },
  kinds: [],
});

const show = (shown: Status) =>
  render(
    <QueryClientProvider client={new QueryClient()}>
      <ModelCard status={shown} />
    </QueryClientProvider>,
  );

const reranker = (check: string | null) =>
  status({ model: 'judge-6', place: 'http://127.0.0.1:8080/v1', candidates: 32, check });

test('b3 the card says which model ranks again and whether it is well', () => {
  for (const [check, told, bad] of [
    [null, en.statusRerankUnasked, false],
    ['ok', en.statusRerankWell, false],
    ['timeout', en.statusRerankLate, true],
    ['unavailable', en.statusRerankFailed('unavailable'), true],
  ] as const) {
    show(reranker(check));
    expect(screen.getByText('judge-6').textContent).toContain('http://127.0.0.1:8080/v1');
    expect(screen.getByText(told).className.includes('text-danger')).toBe(bad);
    cleanup();
  }
});

test('b3 where no model ranks again nothing is said of one', () => {
  show(status(null));
  expect(screen.queryByText(en.statusRerank)).toBeNull();
});

test('b3 a model of this machine is said to be here', () => {
  show(status({ model: 'm', place: 'on this machine', candidates: 1, check: 'ok' }));
  expect(screen.getAllByText(new RegExp(en.statusLocal))).toHaveLength(2);
});

test('b3 both languages have words of their own for it', () => {
  const keys = ['statusRerank', 'statusRerankWell', 'statusRerankUnasked', 'statusRerankLate'] as const;
  for (const key of keys) expect(de[key]).not.toBe(en[key]);
  expect(de.statusRerankFailed('x')).not.toBe(en.statusRerankFailed('x'));
});

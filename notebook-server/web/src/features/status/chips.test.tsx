import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, render, screen } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';
import type { Status } from '@/api/types';
import { de } from '@/i18n/de';
import { en } from '@/i18n/en';
import { de as germanStatus } from '@/i18n/status/de';
import { en as own } from '@/i18n/status/en';
import { language } from '@/state/preferences';
import { ModelCard } from './model-card';

afterEach(() => {
  cleanup();
  language.set('en');
});

const status = (rerank: Status['rerank'], operator = false): Status => ({
  version: '1.0.0',
  chat: { label: 'a/b', provider: 'a', model: 'b', local: true, reason: 'chat.a.model is set', check: 'ok' },
  embedding: null,
  embedding_reason: 'keywords only (embedding.provider is none)',
  rerank,
  models: [],
  operator,
  limits: { document_bytes: 1, image_bytes: 1, audio_bytes: 1, question_bytes: 1 },
  kinds: [],
});

const show = (shown: Status) =>
  render(
    <QueryClientProvider client={new QueryClient()}>
      <ModelCard status={shown} />
    </QueryClientProvider>,
  );

const reranker = (check: string | null, operator = false) =>
  status({ model: 'judge-6', place: 'http://127.0.0.1:8080/v1', candidates: 32, check }, operator);

test('b3 the card says which model ranks again and whether it is well', () => {
  for (const [check, told, bad] of [
    [null, en.statusRerankUnasked, false],
    ['ok', en.statusRerankWell, false],
    ['timeout', en.statusRerankLate, true],
    ['unavailable', own.rerankFailed, true],
  ] as const) {
    show(reranker(check));
    expect(screen.getByText('judge-6').textContent).toContain(en.statusRemote);
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
  expect(screen.getByText('m').textContent).toContain(en.statusLocal);
});

test('b3 both languages have words of their own for it', () => {
  const keys = ['statusRerank', 'statusRerankWell', 'statusRerankUnasked', 'statusRerankLate'] as const;
  for (const key of keys) expect(de[key]).not.toBe(en[key]);
  for (const key of Object.keys(own) as (keyof typeof own)[]) expect(germanStatus[key]).not.toBe(own[key]);
});

const broken = (operator: boolean): Status => {
  const shown = reranker('protocol', operator);
  const chat = { ...shown.chat, check: 'unauthorized', detail: 'list models: unauthorized (status: 401)' };
  return { ...shown, chat };
};

test('i3 people read plain words, and only operators what the configuration calls it', () => {
  for (const code of ['en', 'de'] as const) {
    language.set(code);
    for (const operator of [false, true]) {
      show(broken(operator));
      const card = screen.getByTestId('model-card');
      const folded = card.querySelector('details');
      expect(folded !== null).toBe(operator);
      expect(folded?.open ?? false).toBe(false);
      if (operator)
        for (const part of ['chat.a.model is set', '401', 'embedding.provider', '8080', 'protocol'])
          expect(folded?.textContent).toContain(part);
      folded?.remove();
      expect(card.textContent).not.toMatch(/chat\.|embedding\.|401|8080|protocol|unauthorized/);
      cleanup();
    }
  }
});

test('i3 quotes are no model, and what leaves the machine is said', () => {
  const shown = status(null);
  show({ ...shown, chat: { ...shown.chat, label: 'extractive/quotes', provider: 'extractive' } });
  expect(screen.getByText(own.chatQuotes)).toBeTruthy();
  expect(screen.queryByText(/extractive/)).toBeNull();
  cleanup();
  show({ ...shown, chat: { ...shown.chat, local: false } });
  expect(screen.getByText(own.chatRemote)).toBeTruthy();
});

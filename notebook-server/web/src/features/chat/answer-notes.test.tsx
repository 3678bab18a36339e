import { cleanup, render, screen } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';
import type { Message } from '@/api/types';
import names from '@/api/names.json';
import { answerDictionary } from '@/i18n/answer';
import { language } from '@/state/preferences';
import { type Failure, type LiveRun, freshRun } from '@/state/runs/reducer';
import { AnswerNotes } from './answer-notes';
import { viewOfMessage, viewOfRun } from './answer-view';

afterEach(() => {
  cleanup();
  language.set('en');
});

const warning = { code: 'answer_redacted', message: 'What looks like a key was taken out.' };

const message: Message = {
  id: 'a',
  conversation: 'c',
  parent: 'q',
  role: 'assistant',
  text: 'It is long.',
  citations: [],
  dropped_citations: 0,
  run: 'r',
  model: 'mock/paper-1',
  usage: null,
  timings: [],
  warnings: [warning],
  partial: false,
  created_at: 0,
};

const show = (view: ReturnType<typeof viewOfRun>) =>
  render(<AnswerNotes view={view} onRetry={() => undefined} />);
const warned = () => screen.getAllByTestId('warning').map((note) => note.textContent);

test('d6 a warning stands with the stored answer as it stood while it streamed', () => {
  const live: LiveRun = { ...freshRun, state: 'running', text: message.text, warnings: [warning] };
  for (const code of ['en', 'de'] as const) {
    language.set(code);
    show(viewOfRun(live));
    const streaming = warned();
    cleanup();
    // After a reload nothing of the log is read.
    show(viewOfMessage(message, freshRun));
    expect(warned()).toEqual(streaming);
    cleanup();
  }
});

test('d6 of an answer from before warnings were stored the log tells', () => {
  show(viewOfMessage({ ...message, warnings: [] }, { ...freshRun, lastSeq: 3, warnings: [warning] }));
  expect(warned()).toEqual([warning.message]);
});

const failed = (failure: Failure): LiveRun => ({
  ...freshRun,
  state: 'failed',
  model: 'ollama/llama',
  failure,
});

test('h8 a failure is a sentence, and the error itself is folded behind it', () => {
  const dump = 'ollama/llama: call model: unavailable (status: 503, url: http://127.0.0.1:1)';
  for (const lang of ['en', 'de'] as const) {
    language.set(lang);
    for (const code of names.failures) {
      // Before there was a detail the sentence held all of it.
      for (const [said, detail] of [
        ['A sentence.', dump],
        [dump, null],
      ] as const) {
        show(viewOfRun(failed({ code, message: said, retryable: true, detail, requestId: null })));
        const folded = document.querySelector('details');
        expect(folded?.open).toBe(false);
        expect(folded?.textContent).toContain(dump);
        folded?.remove();
        const shown = screen.getByTestId('run-failure').textContent;
        expect(shown).toContain(answerDictionary(lang).failures[code]?.('ollama/llama'));
        expect(shown).not.toMatch(/503|127\.0\.0\.1|call model/);
        cleanup();
      }
    }
  }
});

test('h8 what a newer server fails with is said in its words', () => {
  const failure = {
    code: 'storm',
    message: 'There is a storm.',
    retryable: false,
    detail: null,
    requestId: null,
  };
  show(viewOfRun(failed(failure)));
  expect(screen.getByTestId('run-failure').textContent).toContain('There is a storm.');
});

import { describe, expect, it } from 'vitest';
import names from '@/api/names.json';
import { languages } from '@/i18n';
import { answerDictionary } from '.';
import { en } from './en';

// `api/names.json` is the server's own list: notebook-server/tests/interface.rs compares them.
describe.each(languages)('how an answer came about, in $name (H8)', ({ code }) => {
  const text = answerDictionary(code);

  it('h8 has words for every stage of an answer and of a research', () => {
    for (const stage of names.stages) {
      expect(text.stages[stage], stage).toMatch(/^\p{Lu}[\p{L} -]+$/u);
      if (code !== 'en' && stage !== 'research') expect(text.stages[stage]).not.toBe(en.stages[stage]);
    }
  });

  it('h8 has a sentence for every way in which a run can fail', () => {
    for (const failure of [...names.failures, 'unread']) {
      const sentence = text.failures[failure]?.('Ollama/llama');
      expect(sentence, failure).toMatch(/\.$/);
      // Nothing of an error stands in it.
      expect(sentence, failure).not.toMatch(/[()_:{}]|\d/);
      if (code !== 'en') expect(sentence).not.toBe(en.failures[failure]?.('Ollama/llama'));
    }
  });

  it('h8 says which model when one does not answer', () => {
    for (const failure of ['unavailable', 'timeout', 'rate_limited', 'unauthorized', 'protocol'])
      expect(text.failures[failure]?.('Ollama/llama')).toContain('Ollama/llama');
  });
});

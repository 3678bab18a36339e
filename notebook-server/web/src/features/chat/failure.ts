import type { AnswerDictionary } from '@/i18n/answer/en';
import type { Failure } from '@/state/runs/reducer';

/** What happened and what can be done, in the page's language; what a newer server fails with is said in its words. */
export function failureSentence(failure: Failure, model: string | null, text: AnswerDictionary): string {
  const say = Object.hasOwn(text.failures, failure.code) ? text.failures[failure.code] : undefined;
  return say?.(model ?? text.theModel) ?? failure.message;
}

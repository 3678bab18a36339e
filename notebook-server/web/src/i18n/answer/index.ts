import { type Language, useLanguage } from '@/state/preferences';
import { de } from './de';
import { type AnswerDictionary, en } from './en';

const dictionaries: Record<Language, AnswerDictionary> = { en, de };

export const answerDictionary = (code: Language): AnswerDictionary => dictionaries[code];

/** The texts around how an answer came about, in the chosen language. */
export const useAnswerText = (): AnswerDictionary => dictionaries[useLanguage()];

import { type Language, useLanguage } from '@/state/preferences';
import { de } from './de';
import { type Dictionary, en } from './en';

const dictionaries: Record<Language, Dictionary> = { en, de };

export const languages: { code: Language; name: string }[] = [
  { code: 'en', name: 'English' },
  { code: 'de', name: 'Deutsch' },
];

export const dictionary = (code: Language): Dictionary => dictionaries[code];

/** The texts in the chosen language. */
export const useText = (): Dictionary => dictionaries[useLanguage()];

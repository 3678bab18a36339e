import { type Language, useLanguage } from '@/state/preferences';
import { de } from './de';
import { type GuardDictionary, en } from './en';

const dictionaries: Record<Language, GuardDictionary> = { en, de };

/** The texts around refused questions in the chosen language. */
export const useGuardText = (): GuardDictionary => dictionaries[useLanguage()];

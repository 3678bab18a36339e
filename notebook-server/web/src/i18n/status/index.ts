import { type Language, useLanguage } from '@/state/preferences';
import { de } from './de';
import { type StatusDictionary, en } from './en';

const dictionaries: Record<Language, StatusDictionary> = { en, de };

/** The texts of the status card in the chosen language. */
export const useStatusText = (): StatusDictionary => dictionaries[useLanguage()];

import { type Language, useLanguage } from '@/state/preferences';
import { de } from './de';
import { type AccountDictionary, en } from './en';

const dictionaries: Record<Language, AccountDictionary> = { en, de };

/** The texts around users and workspaces in the chosen language. */
export const useAccountText = (): AccountDictionary => dictionaries[useLanguage()];

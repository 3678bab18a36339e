import { type Language, useLanguage } from '@/state/preferences';
import { de } from './de';
import { type ResearchDictionary, en } from './en';

const dictionaries: Record<Language, ResearchDictionary> = { en, de };

export const researchDictionary = (code: Language): ResearchDictionary => dictionaries[code];

/** The texts around research in the chosen language. */
export const useResearchText = (): ResearchDictionary => dictionaries[useLanguage()];

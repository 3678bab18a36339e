import { type Language, useLanguage } from '@/state/preferences';
import { de } from './de';
import { type ViewerDictionary, en } from './en';

const dictionaries: Record<Language, ViewerDictionary> = { en, de };

/** The texts around pictures in the chosen language. */
export const useViewerText = (): ViewerDictionary => dictionaries[useLanguage()];

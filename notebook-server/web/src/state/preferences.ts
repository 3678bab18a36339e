import { savedStore } from './saved';
import { createStore, useStore } from './store';

export type Theme = 'system' | 'light' | 'dark';
export type Language = 'en' | 'de';

const isTheme = (value: unknown): value is Theme =>
  value === 'system' || value === 'light' || value === 'dark';
const isLanguage = (value: unknown): value is Language => value === 'en' || value === 'de';

export const theme = savedStore<Theme>('notebook.theme', 'system', isTheme);
export const language = savedStore<Language>(
  'notebook.language',
  navigator.language.startsWith('de') ? 'de' : 'en',
  isLanguage,
);

/** Whether questions are asked as research. */
export const research = savedStore<boolean>(
  'notebook.research',
  false,
  (value): value is boolean => typeof value === 'boolean',
);
export const useResearch = (): boolean => useStore(research);

export const useTheme = (): Theme => useStore(theme);
export const useLanguage = (): Language => useStore(language);

/** The theme that is on the screen, after the system was asked. */
const shown = createStore<'light' | 'dark'>('light');
export const useShownTheme = (): 'light' | 'dark' => useStore(shown);

/** Keeps the document's theme and language in step; called once at start. */
export function applyPreferences(): void {
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  const apply = (): void => {
    const chosen = theme.get();
    shown.set(chosen === 'system' ? (dark.matches ? 'dark' : 'light') : chosen);
    document.documentElement.dataset['theme'] = shown.get();
    document.documentElement.lang = language.get();
    document.documentElement.dir = 'ltr';
  };
  apply();
  dark.addEventListener('change', apply);
  theme.subscribe(apply);
  language.subscribe(apply);
}

import type { ModelSettings } from '@/api/types';

/** The model settings as a person types them. */
export interface ModelForm {
  model: string;
  temperature: string;
  top_p: string;
  max_tokens: string;
  system_prompt: string;
}

export const formOf = (settings: ModelSettings): ModelForm => ({
  model: settings.model ?? '',
  temperature: settings.temperature?.toString() ?? '',
  top_p: settings.top_p?.toString() ?? '',
  max_tokens: settings.max_tokens?.toString() ?? '',
  system_prompt: settings.system_prompt ?? '',
});

interface Limits {
  from: number;
  to: number;
  /** Whether `from` itself is not allowed. */
  above?: boolean;
  whole?: boolean;
}

export const limits: Record<'temperature' | 'top_p' | 'max_tokens', Limits> = {
  temperature: { from: 0, to: 2 },
  top_p: { from: 0, to: 1, above: true },
  max_tokens: { from: 1, to: 1_000_000, whole: true },
};

/** The number in a field: null when it is empty, undefined when it is not allowed. */
export function numberIn(field: keyof typeof limits, typed: string): number | null | undefined {
  if (typed.trim() === '') return null;
  const value = Number(typed.trim().replace(',', '.'));
  const { from, to, above, whole } = limits[field];
  const fits = Number.isFinite(value) && value >= from && value <= to && !(above && value === from);
  return fits && !(whole && !Number.isInteger(value)) ? value : undefined;
}

/** The settings typed, on top of those the form does not show; null while a field is wrong. */
export function settingsOf(form: ModelForm, before: ModelSettings): ModelSettings | null {
  const temperature = numberIn('temperature', form.temperature);
  const top_p = numberIn('top_p', form.top_p);
  const max_tokens = numberIn('max_tokens', form.max_tokens);
  if (temperature === undefined || top_p === undefined || max_tokens === undefined) return null;
  return {
    ...before,
    model: form.model.trim() || null,
    temperature,
    top_p,
    max_tokens,
    system_prompt: form.system_prompt.trim() || null,
  };
}

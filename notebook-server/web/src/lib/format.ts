const units = ['B', 'KB', 'MB', 'GB'] as const;

/** Bytes as a person reads them: `3.4 MB`. */
export function formatBytes(bytes: number, locale: string): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toLocaleString(locale, { maximumFractionDigits: digits })}\u00a0${units[unit] ?? 'B'}`;
}

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** How long ago, in the largest unit that fits. */
export function formatAgo(then: number, now: number, locale: string): string {
  const seconds = Math.max(0, (now - then) / 1000);
  const format = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  for (const [unit, length] of steps) {
    if (seconds >= length) return format.format(-Math.floor(seconds / length), unit);
  }
  return format.format(0, 'second');
}

/** Microseconds as `340 ms` or `2.1 s`. */
export function formatMicros(micros: number, locale: string): string {
  if (micros < 1_000_000) {
    const digits = micros < 10_000 ? 1 : 0;
    return `${(micros / 1000).toLocaleString(locale, { maximumFractionDigits: digits })}\u00a0ms`;
  }
  return `${(micros / 1_000_000).toLocaleString(locale, { maximumFractionDigits: 1 })}\u00a0s`;
}

/** Millionths of a US dollar as `$0.0042`: with as many digits as say something. */
export const formatUsd = (micros: number, locale: string): string =>
  (micros / 1_000_000).toLocaleString(locale, {
    style: 'currency',
    currency: 'USD',
    minimumFractionDigits: 2,
    maximumFractionDigits: micros >= 100_000 ? 2 : 6,
  });

/** A day: `21 Nov 2026`. */
export const formatDate = (time: number, locale: string): string =>
  new Date(time).toLocaleDateString(locale, { dateStyle: 'medium' });

/** A moment, to the minute: `21 Nov 2026, 23:04`. */
export const formatTime = (time: number, locale: string): string =>
  new Date(time).toLocaleString(locale, { dateStyle: 'medium', timeStyle: 'short' });

const browsers: readonly (readonly [RegExp, string])[] = [
  [/\bEdgA?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bFirefox\//, 'Firefox'],
  [/\b(Headless)?Chrome\//, 'Chrome'],
  [/\bSafari\//, 'Safari'],
];
const systems: readonly (readonly [RegExp, string])[] = [
  [/iPhone/, 'iPhone'],
  [/iPad/, 'iPad'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/Mac OS X|Macintosh/, 'macOS'],
  [/CrOS/, 'ChromeOS'],
  [/Linux/, 'Linux'],
];

/** A program as people call it, from the `User-Agent` that it sent; null when it tells nothing known. */
export function clientName(agent: string | null): string | null {
  if (!agent) return null;
  const of = (names: readonly (readonly [RegExp, string])[]): string | undefined =>
    names.find(([pattern]) => pattern.test(agent))?.[1];
  const browser = of(browsers);
  // No browser: its own name, such as curl/8.5.
  if (!browser) return /^[\w.-]+(\/[\w.-]+)?/.exec(agent)?.[0] ?? null;
  const system = of(systems);
  return system ? `${browser}, ${system}` : browser;
}

const UNITS = { ms: 1, s: 1000, m: 60_000 } as const;

/** Milliseconds of a duration such as `500ms`, `30s`, `1.5s` or `1m`. Undefined for any other text. */
export function parseDuration(text: string): number | undefined {
  const found = /^(\d{1,9}(?:\.\d{1,6})?)(ms|s|m)$/.exec(text);
  if (found === null) return undefined;
  return Math.round(Number(found[1]) * UNITS[found[2] as keyof typeof UNITS]);
}

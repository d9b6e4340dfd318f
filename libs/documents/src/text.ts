/** Characters that no text may contain: PostgreSQL cannot store NUL, and a lone surrogate is not a character. */
const UNSTORABLE = /\0|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

/** Why a text cannot be stored, or undefined. */
export function unstorable(text: string): string | undefined {
  const found = UNSTORABLE.exec(text)?.[0];
  if (found === undefined) return undefined;
  return found === '\0'
    ? 'holds a NUL character (\\u0000), which cannot be stored'
    : 'holds half of a surrogate pair, which is no valid Unicode text';
}

import { storableText } from '@batuta/contracts';
import type { JsonValue } from '@batuta/contracts';

/**
 * Escapes that are valid in JSON text but that jsonb refuses: NUL, and lone surrogates (pairs are written unescaped).
 */
const REFUSED = /\\u(?:0000|[dD][89a-fA-F])/;

/**
 * Replaces NUL characters and lone surrogates by U+FFFD in a JSON value, including its keys. Returns the value itself
 * when there are none. Agents produce such characters, and PostgreSQL's jsonb refuses them.
 */
export function storableJson<T extends JsonValue | undefined>(value: T): T {
  return replaceDeep(value) as T;
}

function replaceDeep(value: JsonValue | undefined): JsonValue | undefined {
  if (typeof value === 'string') return storableText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const items = value.map((item) => replaceDeep(item) as JsonValue);
    return items.some((item, index) => item !== value[index]) ? items : value;
  }
  let changed = false;
  const entries = Object.entries(value).map(([key, item]): [string, JsonValue] => {
    const storedKey = storableText(key);
    const stored = replaceDeep(item) as JsonValue;
    changed ||= storedKey !== key || stored !== item;
    return [storedKey, stored];
  });
  return changed ? Object.fromEntries(entries) : value;
}

/**
 * Whether JSON text may hold characters that `storableJson` replaces. It is cheap, and is true for some harmless texts
 * too.
 */
export function mayHoldUnstorable(json: string): boolean {
  return json.includes('\\u') && REFUSED.test(json);
}

/** JSON text on one line that every adapter can store. NUL characters and lone surrogates are replaced by U+FFFD. */
export function encodeJson(value: JsonValue | object): string {
  const json = JSON.stringify(value);
  return mayHoldUnstorable(json) ? JSON.stringify(storableJson(value as JsonValue)) : json;
}

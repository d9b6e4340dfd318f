import type { JsonValue } from './common.js';
import { expressionIn } from './mapping.js';

/** A reference to a secret in a tenant's documents: `{{secret:NAME}}`. */
const REFERENCE = /\{\{secret:([A-Za-z0-9_-]{1,64})\}\}/g;
/** A text that was probably meant as a reference. */
const MENTION = /\{\{-?\s*secret\s*[:.}]/i;

/**
 * Limits of a secret's value and description in characters, and of numbers of secrets. Shorter values would occur in
 * many texts, and hiding them would make those unreadable.
 */
export const SECRET_LIMITS = { least: 8, most: 4_096, description: 2_000, ofTenant: 1_000, ofText: 20 } as const;

/** The distinct names of the secrets that a text refers to. */
export function secretNames(text: string): string[] {
  return text.includes('{{secret:') ? [...new Set([...text.matchAll(REFERENCE)].map(([, name]) => name ?? ''))] : [];
}

/** Whether a text refers to a secret or seems to be meant to. */
export function mentionsSecret(text: string): boolean {
  return MENTION.test(text);
}

/** A mistake in the form of a text's references. Undefined when there is none. */
export function secretMistake(text: string): string | undefined {
  if (!mentionsSecret(text)) return undefined;
  if (mentionsSecret(text.replaceAll(REFERENCE, ''))) {
    return 'a reference to a secret is written {{secret:NAME}}, without spaces; a name has letters, digits, "_" and "-"';
  }
  return secretNames(text).length > SECRET_LIMITS.ofText
    ? `refers to more than ${SECRET_LIMITS.ofText} secrets`
    : undefined;
}

/** Replaces each reference by the secret's value. `values` must contain all of them. */
export function withSecrets(text: string, values: ReadonlyMap<string, string>): string {
  return text.replaceAll(REFERENCE, (_, name: string) => values.get(name) ?? '');
}

/**
 * JSON Pointers of those plain texts of a document that refer to secrets. Expressions, names of fields and the field
 * `except` are not searched.
 */
export function secretPointers(document: JsonValue, except?: string): string[] {
  const found: string[] = [];
  const pending: [string, JsonValue][] = [['', document]];
  for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
    const [path, value] = entry;
    if (typeof value === 'string') {
      if (value.includes('{{secret:') && expressionIn(value) === undefined && secretNames(value).length > 0) {
        found.push(path);
      }
    } else if (value !== null && typeof value === 'object') {
      for (const [key, item] of Object.entries(value)) {
        const child = `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
        if (except === undefined || child !== `/${except}`) pending.push([child, item]);
      }
    }
  }
  return found;
}

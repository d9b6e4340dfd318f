import type { JsonValue } from './common.js';
import { expressionIn } from './mapping.js';

/** A reference to a secret, as documents of a tenant have it: `{{secret:NAME}}`. */
const REFERENCE = /\{\{secret:([A-Za-z0-9_-]{1,64})\}\}/g;
/** What somebody wrote who meant one. */
const MENTION = /\{\{-?\s*secret\s*[:.}]/i;

/** Characters of a secret's value and description. Shorter values stand in many texts, so that hiding them would spoil those. */
export const SECRET_LIMITS = { least: 8, most: 4_096, description: 2_000, ofTenant: 1_000, ofText: 20 } as const;

/** Names of the secrets that a text refers to, each once. */
export function secretNames(text: string): string[] {
  return text.includes('{{secret:') ? [...new Set([...text.matchAll(REFERENCE)].map(([, name]) => name ?? ''))] : [];
}

/** Whether a text refers to a secret, or looks as if it should. */
export function mentionsSecret(text: string): boolean {
  return MENTION.test(text);
}

/** What is wrong with the form of a text's references; undefined when nothing is. */
export function secretMistake(text: string): string | undefined {
  if (!mentionsSecret(text)) return undefined;
  if (mentionsSecret(text.replaceAll(REFERENCE, ''))) {
    return 'a reference to a secret is written {{secret:NAME}}, without spaces; a name has letters, digits, "_" and "-"';
  }
  return secretNames(text).length > SECRET_LIMITS.ofText
    ? `refers to more than ${SECRET_LIMITS.ofText} secrets`
    : undefined;
}

/** The text with each reference replaced by its secret's value; all of them must be there. */
export function withSecrets(text: string, values: ReadonlyMap<string, string>): string {
  return text.replaceAll(REFERENCE, (_, name: string) => values.get(name) ?? '');
}

/**
 * JSON Pointers of a document's texts that refer to secrets and stand as they are: not in expressions, not in names of fields,
 * and not in the field `except`.
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

import { unstorable } from '@batuta/documents';

/** proto-JSON omits default values: an absent text is "". */
export function textField(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** proto-JSON omits default values: an absent number is 0. */
export function intField(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : 0;
}

/** A page size from a request: `fallback` when absent, cut to 1…`max`. */
export function pageSize(value: unknown, fallback: number, max: number): number {
  const asked = intField(value);
  return asked <= 0 ? fallback : Math.min(asked, max);
}

/** An id, name or search text that the database can contain, else undefined. */
export function findable(value: unknown, maxLength = 1024): string | undefined {
  const text = textField(value);
  return text === '' || text.length > maxLength || unstorable(text) !== undefined ? undefined : text;
}

import { decodeCursor, encodeCursor } from '@batuta/contracts';
import { invalid } from './refusals.js';
import type { Refused } from './refusals.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** The text when it is a UUID, else undefined. Only UUIDs can be found. */
export function uuidOf(value: unknown): string | undefined {
  return typeof value === 'string' && UUID.test(value) ? value : undefined;
}

/** proto-JSON omits default values: an absent text is "". */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** A page size from a request: `fallback` when absent, cut to 1…`max`. */
export function pageSize(value: unknown, fallback: number, max: number): number {
  const asked = typeof value === 'number' && Number.isSafeInteger(value) ? value : 0;
  return asked <= 0 ? fallback : Math.min(asked, max);
}

/** The cursor and limit of the page that a request asks for. Refuses a cursor that is not of this list. */
export function pageAsked(
  list: string,
  request: { readonly cursor?: unknown; readonly limit?: unknown },
): { readonly before: string | undefined; readonly limit: number } | Refused {
  const cursor = textOf(request.cursor);
  const before = cursor === '' ? undefined : uuidOf(decodeCursor(list, cursor));
  if (cursor !== '' && before === undefined) {
    return invalid('The request', [{ path: '/cursor', code: 'bad_cursor', message: 'is not a cursor of this list' }]);
  }
  return { before, limit: pageSize(request.limit, 50, 200) };
}

/**
 * Cuts rows to `limit` and gives the cursor of the next page. The query must have asked for one row more than `limit`.
 */
export function cutPage<Row extends { readonly id: string }>(
  list: string,
  rows: readonly Row[],
  limit: number,
): { readonly page: readonly Row[]; readonly next: { readonly nextCursor?: string } } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { page, next: more ? { nextCursor: encodeCursor(list, last.id) } : {} };
}

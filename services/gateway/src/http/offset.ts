import type { JsonObject } from '@batuta/contracts';
import { Problem } from './problem.js';

export interface OffsetQuery {
  readonly offset: number | undefined;
  readonly with_total: boolean | undefined;
  readonly cursor: string | undefined;
  readonly limit: number;
}

/** The part of a list that a query asks for. @throws Problem validation_failed for an offset together with a cursor. */
export function offsetOf({ offset, with_total: withTotal, cursor }: OffsetQuery): {
  offset?: number;
  withTotal?: boolean;
} {
  if (offset !== undefined && cursor !== undefined) {
    const message = 'offset and cursor both say where the page begins: give one of them';
    throw new Problem('validation_failed', `The query is wrong: ${message}.`, {
      errors: [{ path: '/offset', message, code: 'contradiction' }],
    });
  }
  return {
    ...(offset === undefined ? {} : { offset }),
    ...(offset !== undefined || withTotal === true ? { withTotal: true } : {}),
  };
}

/** The counts of a page, if the query asked for them. */
export function countsOf({ offset, limit }: OffsetQuery, total: number | undefined): JsonObject {
  if (total === undefined) return {};
  return offset === undefined ? { total } : { total, limit, offset };
}

import { parseTime, RULE } from '@batuta/contracts';
import type { DocumentSchema, JsonValue } from '@batuta/contracts';
import { documentCheck, Report } from '@batuta/documents';
import { Problem } from '../http/problem.js';

/** Reads a body of this form. @throws Problem validation_failed with every mistake and its path. */
type ReadBody<T> = (body: JsonValue | undefined) => T;

/**
 * For bodies that are documents: checked against the JSON Schema that also describes them in OpenAPI. A missing body is
 * an empty one, and a null field is the same as an absent one. The parser of JSON has refused what no text may hold.
 */
export function documentBody<T>(what: string, schema: DocumentSchema): ReadBody<T> {
  const check = documentCheck(schema);
  return (body = {}) => {
    const report = new Report();
    check(body, '', report);
    const { total, violations } = report;
    if (total > 0) {
      const count = total === 1 ? 'one mistake' : `${total} mistakes`;
      throw new Problem('validation_failed', `${what} has ${count}.`, { errors: violations });
    }
    return check.withoutNulls(body) as T;
  };
}

/** A time in RFC 3339. */
export const timeSchema = (description: string): DocumentSchema => ({
  description,
  type: 'string',
  format: 'date-time',
  [RULE]: (value) =>
    parseTime(value as string) === undefined
      ? { code: 'bad_format', message: 'must be a time such as 2026-12-31T09:00:00Z' }
      : undefined,
});

/** Epoch ms of a time that was checked; 0 for what is before 1970. */
export const epochOf = (time: string): number => Math.max(0, parseTime(time) ?? 0);

/** A schema as OpenAPI shows it: an object may have other fields, and `parts` stand in the place of some of its own. */
export function shownBody(
  { additionalProperties: _closed, ...schema }: DocumentSchema,
  parts: Readonly<Record<string, DocumentSchema>> = {},
): DocumentSchema {
  return { ...schema, properties: { ...(schema['properties'] as object), ...parts } };
}

import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiHeader, ApiQuery, ApiResponse } from '@nestjs/swagger';
import type { ApiQueryOptions, ApiResponseOptions } from '@nestjs/swagger';
import type { RefusalCode } from '@batuta/contracts';
import { ref } from './openapi-schemas.js';
import { problemExamples } from './openapi-problems.js';
import { statusOf } from './problem.js';
import type { QuerySpec } from './query.js';

/** Documents an answer by the name of its schema. */
export const Answers = (status: number, schema: string, description: string, etag = false): MethodDecorator =>
  ApiResponse({
    status,
    description,
    schema: ref(schema),
    ...(etag ? { headers: { ETag: { description: 'The version, quoted.', schema: { type: 'string' } } } } : {}),
  } as ApiResponseOptions);

/** Documents the refusals of a handler beside the ones that every handler has. */
export const Refuses = (...codes: readonly RefusalCode[]): MethodDecorator =>
  RefusesOnly(...codes, 'validation_failed', 'unauthenticated', 'forbidden', 'rate_limited', 'unavailable', 'internal');

/** Refusals of whatever takes a body. */
export const OF_A_BODY = [
  'malformed_json',
  'too_deep',
  'forbidden_key',
  'payload_too_large',
  'unsupported_media_type',
] as const satisfies readonly RefusalCode[];

/** Documents all refusals of a handler; of one that needs no key, these are few. */
export function RefusesOnly(...all: readonly RefusalCode[]): MethodDecorator {
  const byStatus = new Map<number, RefusalCode[]>();
  for (const code of new Set(all)) {
    const status = statusOf(code);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return applyDecorators(
    ...[...byStatus].map(([status, same]) =>
      ApiResponse({
        status,
        description: same.map((code) => `\`${code}\``).join(', '),
        content: { 'application/problem+json': { schema: ref('Problem'), examples: problemExamples(same) } },
      } as ApiResponseOptions),
    ),
  );
}

/** Documents the query parameters of a spec. */
export const Queries = (spec: QuerySpec): MethodDecorator =>
  applyDecorators(
    ...Object.entries(spec).map(([name, parameter]) =>
      ApiQuery({
        name,
        required: false,
        description: parameter.description,
        ...(parameter.repeatable === true
          ? { explode: true, schema: { type: 'array', items: parameter.schema } }
          : { schema: parameter.schema }),
        ...(parameter.example === undefined ? {} : { example: parameter.example }),
      } as ApiQueryOptions),
    ),
  );

/** Documents a body by the name of its schema. */
export const BodyIs = (schema: string, description: string): MethodDecorator =>
  ApiBody({ description, schema: ref(schema) as never, required: true });

/** The media type of a JSON merge patch (RFC 7396); `application/json` says the same of a PATCH here. */
export const MERGE_PATCH = 'application/merge-patch+json';

/** Documents a body that is a JSON merge patch, by the name of its schema. */
export const PatchIs = (schema: string, description: string): MethodDecorator =>
  applyDecorators(
    ApiConsumes(MERGE_PATCH, 'application/json'),
    ApiBody({ description, schema: ref(schema) as never, required: true }),
  );

export const IfMatch: MethodDecorator = ApiHeader({
  name: 'If-Match',
  required: false,
  description: 'The ETag of the version you have seen; another one by now is refused with 412 `version_conflict`.',
  schema: { type: 'string', example: '"3"' },
});

export const IdempotencyKey: MethodDecorator = ApiHeader({
  name: 'Idempotency-Key',
  required: false,
  description:
    'Yours, 1 to 255 visible ASCII characters: a repeat starts nothing and answers with the first execution; with another body it is refused with 422 `idempotency_mismatch`.',
  schema: { type: 'string', maxLength: 255 },
});

/** For commands to an execution, where a repeat answers as the first time. */
export const CommandKey: MethodDecorator = ApiHeader({
  name: 'Idempotency-Key',
  required: false,
  description:
    'Yours, 1 to 255 visible ASCII characters: the same command with the same key takes effect once, and a repeat answers with `repeated`.',
  schema: { type: 'string', maxLength: 255 },
});

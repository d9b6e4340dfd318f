import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiHeader, ApiQuery, ApiResponse } from '@nestjs/swagger';
import type { ApiQueryOptions, ApiResponseOptions } from '@nestjs/swagger';
import type { RefusalCode, Parameter, QuerySpec } from '@batuta/contracts';
import { ref } from '../openapi/openapi-schema.js';
import { headerRef } from '../openapi/openapi-headers.js';
import { IDEMPOTENCY_KEY } from '../http/headers.js';
import { Compares } from '../http/preconditions.js';
import { statusOf } from '../http/problem.js';

const ETAG = { ETag: headerRef('ETag') };

/** Headers of an answer, in addition to those of every answer. */
interface AnswerHeaders {
  readonly etag?: boolean;
  /** A 201 always has it. */
  readonly location?: boolean;
  readonly retryAfter?: boolean;
  /** For tenants with a limit. */
  readonly rateLimit?: boolean;
}

const RATE_LIMIT = { RateLimit: headerRef('RateLimit'), 'RateLimit-Policy': headerRef('RateLimitPolicy') };

/** Documents an answer by the name of its schema. `true`: it has an ETag. */
export function Answers(
  status: number,
  schema: string,
  description: string,
  headers: boolean | AnswerHeaders = {},
): MethodDecorator {
  const {
    etag = false,
    location = status === 201,
    retryAfter = false,
    rateLimit = false,
  } = typeof headers === 'boolean' ? { etag: headers } : headers;
  return ApiResponse({
    status,
    description,
    schema: ref(schema),
    headers: {
      ...(etag ? ETAG : {}),
      ...(location ? { Location: headerRef('Location') } : {}),
      ...(retryAfter ? { 'Retry-After': headerRef('RetryAfter') } : {}),
      ...(rateLimit ? RATE_LIMIT : {}),
    },
  } as ApiResponseOptions);
}

/** Documents the refusals of a handler, in addition to those of every handler. */
export const Refuses = (...codes: readonly RefusalCode[]): MethodDecorator =>
  RefusesOnly(...codes, 'validation_failed', 'unauthenticated', 'forbidden', 'rate_limited', 'unavailable', 'internal');

/** Refusals of every operation with a body. */
export const OF_A_BODY = [
  'malformed_json',
  'too_deep',
  'forbidden_key',
  'payload_too_large',
  'unsupported_media_type',
] as const satisfies readonly RefusalCode[];

/** Documents all refusals of a handler. A handler without a key has few. */
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
        content: {
          'application/problem+json': {
            schema: ref('Problem'),
            examples: Object.fromEntries(same.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
          },
        },
        headers: {
          ...(status === 401 ? { 'WWW-Authenticate': headerRef('Authenticate') } : {}),
          ...(status === 429 || status === 503 ? { 'Retry-After': headerRef('RetryAfter') } : {}),
          ...(same.includes('limit_reached') ? RATE_LIMIT : {}),
        },
      } as ApiResponseOptions),
    ),
  );
}

const arrayOf = ({ schema, most }: Parameter<unknown>): object => ({
  type: 'array',
  items: schema,
  ...(most === undefined ? {} : { maxItems: most }),
});

/** Documents the query parameters of a spec. */
export const Queries = (spec: QuerySpec): MethodDecorator =>
  applyDecorators(
    ...Object.entries(spec).map(([name, parameter]) =>
      ApiQuery({
        name,
        required: parameter.required === true,
        description: parameter.description,
        ...(parameter.repeatable === true
          ? { explode: true, schema: arrayOf(parameter) }
          : { schema: parameter.schema }),
        ...(parameter.example === undefined ? {} : { example: parameter.example }),
      } as ApiQueryOptions),
    ),
  );

/** Documents a body by the name of its schema. */
export const BodyIs = (schema: string, description: string, required: boolean): MethodDecorator =>
  ApiBody({ description, schema: ref(schema) as never, required });

/** The media type of a JSON merge patch (RFC 7396). For a PATCH, `application/json` means the same. */
export const MERGE_PATCH = 'application/merge-patch+json';

/** Documents a body that is a JSON merge patch, by the name of its schema. */
export const PatchIs = (schema: string, description: string): MethodDecorator =>
  applyDecorators(
    ApiConsumes(MERGE_PATCH, 'application/json'),
    ApiBody({ description, schema: ref(schema) as never, required: true }),
  );

/** Documents a GET of one resource, with its 304. */
export const IfNoneMatch: MethodDecorator = applyDecorators(
  ApiHeader({
    name: 'If-None-Match',
    required: false,
    description: 'ETags that you have, or `*`: the answer is 304 without a body while one of them is current.',
    schema: { type: 'string' },
  }),
  ApiResponse({ status: 304, description: 'It has not changed.', headers: ETAG } as ApiResponseOptions),
);

/** Marks and documents a change of a resource that has an ETag, and its refusal. */
export const IfMatch: MethodDecorator = applyDecorators(
  Compares,
  ApiHeader({
    name: 'If-Match',
    required: false,
    description:
      'The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1).',
    schema: { type: 'string', example: '"3-x7JqT0aZkQ1bS9-e"' },
  }),
  ApiHeader({
    name: 'If-None-Match',
    required: false,
    description:
      '`*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`.',
    schema: { type: 'string' },
  }),
);

/** Documents the caller's trace context, which the execution's trace continues. */
export const TraceParent: MethodDecorator = ApiHeader({
  name: 'traceparent',
  required: false,
  description: 'Your trace (W3C Trace Context), of which the execution becomes a part. A malformed one is ignored.',
  schema: { type: 'string', maxLength: 512 },
});

const KEY_RULE = 'Your own key, 1 to 255 visible ASCII characters:';
const keyHeader = (description: string): MethodDecorator =>
  ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: `${KEY_RULE} ${description} A different request with the same key is refused with 422 \`idempotency_mismatch\`.`,
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: IDEMPOTENCY_KEY.source },
  });

export const IdempotencyKey: MethodDecorator = keyHeader(
  'a repeat starts nothing, and the answer is the first execution with `repeated`.',
);

/** For commands to an execution: a repeat gets the first answer. */
export const CommandKey: MethodDecorator = keyHeader(
  'the command takes effect once, and the answer to a repeat has `repeated`.',
);

/** For every other POST. */
export const OnceKey: MethodDecorator = keyHeader(
  'the request takes effect once, and for 24 hours a repeat gets the first answer, with `repeated`.',
);

/** For a POST whose answer has a secret. */
export const SecretOnceKey: MethodDecorator = keyHeader(
  'the request takes effect once, and for 24 hours a repeat gets the first answer, with `repeated` and without the secret, which is shown only once.',
);

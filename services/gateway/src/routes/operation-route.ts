import { applyDecorators, RequestMapping, RequestMethod, HttpCode } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { AnswerSpec, AnyOperation, BodySpec, OnceKind, RefusalCode } from '@batuta/contracts';
import { Needs } from '../auth/principal.js';
import {
  Answers,
  BodyIs,
  CommandKey,
  IdempotencyKey,
  IfMatch,
  IfNoneMatch,
  OF_A_BODY,
  OnceKey,
  PatchIs,
  Queries,
  Refuses,
  SecretOnceKey,
  TraceParent,
} from './documented.js';
import { DTOS } from '../dto/dtos.js';
import { tagOf } from '../openapi/openapi-tags.js';

const KEYS: Readonly<Record<OnceKind, MethodDecorator>> = {
  once: OnceKey,
  secret: SecretOnceKey,
  command: CommandKey,
  start: IdempotencyKey,
};

/** The route of an operation that must have one. */
export function routeOf(operation: AnyOperation): NonNullable<AnyOperation['http']> {
  if (operation.http === undefined) throw new TypeError(`${operation.name} has no route`);
  return operation.http;
}

/** Every code that may refuse a request to the operation, in addition to those of any request. */
function refusalsOf({ refuses, http }: AnyOperation): readonly RefusalCode[] {
  return [
    ...(http?.once === undefined ? [] : (['idempotency_mismatch'] as const)),
    ...refuses,
    ...(http?.compares === true ? (['version_conflict'] as const) : []),
    ...(http?.body === undefined ? [] : OF_A_BODY),
  ];
}

function bodyDecorator({ schema, says, merges = false, optional = false }: BodySpec): MethodDecorator {
  if (merges) return PatchIs(schema, says);
  const dto = DTOS[schema];
  return dto === undefined
    ? BodyIs(schema, says, !optional)
    : ApiBody({ type: dto, ...(optional ? { required: false } : {}) });
}

function answer({ status, schema, media = 'text/plain', says, ...headers }: AnswerSpec): MethodDecorator {
  if (schema !== undefined) return Answers(status, schema, says, headers);
  return ApiResponse({ status, description: says, content: { [media]: { schema: { type: 'string' } } } });
}

/** Makes a method of a controller the route of an operation: its path, role, conditions and OpenAPI description. */
export function RouteFor(operation: AnyOperation): MethodDecorator {
  const { name, role } = operation;
  const { method, path, summary, description, query, body, seen, compares, once, traceparent, answers } =
    routeOf(operation);
  const statuses = answers.map(({ status }) => status);
  // A handler sets the other status itself, if there is one.
  const usual = method === 'POST' ? Math.max(...statuses) : Math.min(...statuses);
  return applyDecorators(
    RequestMapping({ method: RequestMethod[method], path: path.slice(1) }),
    HttpCode(usual),
    Needs(role),
    ApiTags(tagOf(name)),
    ApiBearerAuth(),
    ApiOperation({ operationId: name, summary, ...(description === undefined ? {} : { description }) }),
    ...(seen === true ? [IfNoneMatch] : []),
    ...(once === undefined ? [] : [KEYS[once]]),
    ...(traceparent === true ? [TraceParent] : []),
    ...(query === undefined ? [] : [Queries(query)]),
    ...(compares === true ? [IfMatch] : []),
    ...(body === undefined ? [] : [bodyDecorator(body)]),
    ...answers.map(answer),
    Refuses(...refusalsOf(operation)),
  );
}

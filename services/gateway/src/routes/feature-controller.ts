import { Controller, Inject } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { parseTime, toUserJson } from '@batuta/contracts';
import type {
  AnyOperation,
  Idempotency,
  JsonObject,
  JsonValue,
  Operation,
  Preconditions,
  Principal,
  QuerySpec,
  Refusal,
} from '@batuta/contracts';
import { principalOf } from '../auth/principal.js';
import type { AuthenticatedRequest } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { checkedBody, objectBody } from '../dto/checked.js';
import { DTOS } from '../dto/dtos.js';
import { createdAt, secret, tagged } from '../http/headers.js';
import { addRoute } from './add-route.js';
import { onceOf } from './idempotency.js';
import { routeOf } from './operation-route.js';
import { preconditionsOf } from '../http/preconditions.js';
import { accepted, Problem } from '../http/problem.js';
import { parseQuery } from '../http/query.js';
import { shownCursor } from '../http/shown.js';

/** A request in the terms of its operation. */
export interface Asked {
  readonly principal: Principal;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  /** The checked body, if there is a DTO, without the fields that the platform maintains. */
  readonly body: JsonValue | undefined;
  readonly preconditions: Preconditions | undefined;
  readonly idempotency: Idempotency | undefined;
  readonly headers: AuthenticatedRequest['headers'];
}

/** Where an operation differs from its messages. Both fields are absent when nothing differs. */
interface Translation<Request, Reply> {
  /** Fields of the request that add to or replace those of the route. */
  readonly request?: (asked: Asked) => Partial<Request>;
  /** Whether something new was created, if the reply does not say `created`. */
  readonly makes?: (reply: Reply) => boolean;
  readonly shown?: (reply: Reply, asked: Asked, backend: Backend) => JsonObject | Promise<JsonObject>;
}

type Feature = Readonly<Record<string, AnyOperation>>;

/** Translations of a feature's operations, by the operation's name. */
type Translations<F extends Feature> = {
  readonly [K in keyof F]?: F[K] extends Operation<infer Request, infer Reply> ? Translation<Request, Reply> : never;
};

/** A reply of any operation. */
interface AnyReply {
  readonly refused?: Refusal;
  readonly etag?: string;
  readonly created?: boolean;
  readonly repeated?: boolean;
  readonly nextCursor?: string;
}

/** The body for the service. Fields that the platform maintains may be sent back, but users cannot set them. */
export function bodyOf(operation: AnyOperation, request: AuthenticatedRequest): JsonValue | undefined {
  const { body, method } = routeOf(operation);
  if (body === undefined) return undefined;
  const { schema, optional = false, kept = [], merges = false } = body;
  const dto = DTOS[schema];
  const sent = request.body as JsonValue | undefined;
  if (dto !== undefined) return checkedBody(dto, { optional }).transform(sent, { type: 'body' }) as JsonValue;
  const document: JsonObject = { ...(objectBody.transform(sent, { type: 'body' }) as JsonObject) };
  const { name } = request.params as { name?: string };
  if (merges) {
    refuseKept(name === undefined ? kept : ['name', ...kept], document);
    return document;
  }
  for (const field of kept) delete document[field];
  if (method === 'PUT' && name !== undefined && document['name'] === name) delete document['name'];
  return document;
}

/** For a patch: users cannot change fields that the platform maintains, and naming one is a mistake. */
function refuseKept(kept: readonly string[], patch: JsonObject): void {
  const errors = kept
    .filter((field) => Object.hasOwn(patch, field))
    .map((field) => ({
      path: `/${field}`,
      message: `${field} is maintained by the platform and cannot be changed`,
      code: 'read_only',
    }));
  if (errors.length === 0) return;
  throw new Problem('validation_failed', 'The patch names fields that cannot be changed.', { errors });
}

function askedOf(operation: AnyOperation, request: AuthenticatedRequest): Asked {
  const { query = {}, compares = false, once } = routeOf(operation);
  return {
    principal: principalOf(request),
    params: request.params as Readonly<Record<string, string>>,
    body: bodyOf(operation, request),
    query: parseQuery(query satisfies QuerySpec, request.query),
    preconditions: compares ? preconditionsOf(request.headers) : undefined,
    idempotency: once === undefined ? undefined : onceOf(request),
    headers: request.headers,
  };
}

/** The request's message: each field from its place in the route. */
function messageOf({ request: { fields }, http }: AnyOperation, asked: Asked): Record<string, unknown> {
  const { principal, params, query, body, preconditions, idempotency } = asked;
  const spec = http?.body;
  // The service gets a body that is checked here field by field, and any other body as one value.
  const said = spec !== undefined && DTOS[spec.schema] !== undefined ? (body as JsonObject) : {};
  const ofCaller: Readonly<Record<string, unknown>> = {
    principal,
    ...(fields.some(({ name }) => name === 'principal') ? {} : { tenant_id: principal.tenantId }),
    preconditions,
    idempotency,
    [spec?.field ?? 'body']: body,
  };
  const message: Record<string, unknown> = {};
  for (const { name, jsonName } of fields) {
    message[jsonName] = params[name] ?? query[name] ?? fieldOf(name, said) ?? ofCaller[name];
  }
  return { ...message, ...http?.sets };
}

/** A field of a checked body for a message. Null means absent. */
function fieldOf(name: string, said: JsonObject): unknown {
  const value = said[name] ?? undefined;
  return typeof value === 'string' && name.endsWith('_at') ? parseTime(value) : value;
}

/** The resource in a reply, or the page of resources, in the form of the API. */
function shownReply({ name, reply }: AnyOperation, answer: AnyReply): JsonObject {
  const values = answer as Readonly<Record<string, unknown>>;
  for (const field of reply.fields) {
    const value = values[field.jsonName];
    if (field.fieldKind === 'list' && field.listKind === 'message') {
      const items = ((value ?? []) as readonly unknown[]).map((item) => toUserJson(field.message, item));
      const paged = reply.fields.some((other) => other.name === 'next_cursor');
      return { [field.name]: items, ...(paged ? { next_cursor: shownCursor(answer.nextCursor) } : {}) };
    }
    if (field.fieldKind !== 'message' || field.name === 'refused') continue;
    if (value === undefined) throw new Problem('not_found', 'There is nothing with this id.');
    return { ...toUserJson(field.message, value), ...(answer.repeated === true ? { repeated: true } : {}) };
  }
  throw new TypeError(`${name}: its reply has nothing to show`);
}

/** The location of a new resource: the path itself, or one below a collection. */
function locationOf(operation: AnyOperation, { params }: Asked, shown: JsonObject): string {
  const { method, path } = routeOf(operation);
  const own = path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
  return method === 'POST' ? `${own}/${shown['id'] as string}` : own;
}

async function answer(
  backend: Backend,
  operation: AnyOperation,
  translation: Translation<unknown, unknown>,
  request: AuthenticatedRequest,
  response: FastifyReply,
): Promise<JsonObject> {
  const asked = askedOf(operation, request);
  const { answers, secret: hidden = false, method } = routeOf(operation);
  if (hidden) secret(response);
  const message = { ...messageOf(operation, asked), ...translation.request?.(asked) };
  const reply = accepted(await backend.ask<AnyReply>(operation.subject, message));
  const shown = (await translation.shown?.(reply, asked, backend)) ?? shownReply(operation, reply);
  const creates = answers.some(({ status }) => status === 201);
  const made = creates && (translation.makes?.(reply) ?? (method === 'POST' || reply.created === true));
  if (made) createdAt(response, locationOf(operation, asked, shown));
  else if (creates) void response.code(200);
  return answers.some(({ etag }) => etag === true) ? tagged(response, reply.etag, shown) : shown;
}

/**
 * A Nest controller with the routes of a feature's operations. Each route calls the operation's service. `name`: the
 * controller's name in logs. `translations` has what the messages alone cannot express.
 */
export function featureController<const F extends Feature>(
  name: string,
  feature: F,
  translations: Translations<F> = {},
): Type<object> {
  class Routes {
    constructor(readonly backend: Backend) {}
  }
  Inject(Backend)(Routes, undefined, 0);
  Object.defineProperty(Routes, 'name', { value: name });
  for (const [key, operation] of Object.entries(feature)) {
    if (operation.http === undefined) continue;
    const translation = (translations[key] ?? {}) as Translation<unknown, unknown>;
    addRoute<Routes>(Routes, key, operation, function (request, response) {
      return answer(this.backend, operation, translation, request, response);
    });
  }
  Controller()(Routes);
  return Routes;
}

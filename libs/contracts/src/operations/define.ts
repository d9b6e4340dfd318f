import type { DescMessage } from '@bufbuild/protobuf';
import type { RefusalCode, Role } from '../codes.js';
import type { JsonObject } from '../common.js';
import type { CommandReply, CommandRequest } from '../execution.js';
import { CommandReplySchema, CommandRequestSchema } from '../generated/batuta/execution/v1/commands_pb.js';
import type { NatsService } from '../nats-services.js';
import type { QuerySpec } from './parameters.js';

/** A body, and its description in OpenAPI. */
export interface BodySpec {
  /** Its schema in OpenAPI: a DTO or a schema of the gateway. */
  readonly schema: string;
  readonly says: string;
  /** A JSON merge patch (RFC 7396). */
  readonly merges?: boolean;
  /** A missing body counts as an empty one. */
  readonly optional?: boolean;
  /**
   * Fields that the platform adds to the user's own. A body may contain them, as an answer does, and they are ignored.
   */
  readonly kept?: readonly string[];
  /** The field of the request that gets the body. Default `body`. */
  readonly field?: string;
  /** An example that works on a platform on which the previous examples were run. */
  readonly example: JsonObject;
}

/** A successful answer. */
export interface AnswerSpec {
  readonly status: number;
  /** Its schema in OpenAPI. Without one, the answer is a text of the media type. */
  readonly schema?: string;
  readonly media?: string;
  readonly says: string;
  readonly etag?: boolean;
  /** Always present on a 201. */
  readonly location?: boolean;
  readonly retryAfter?: boolean;
  /** Present if the tenant has a limit. */
  readonly rateLimit?: boolean;
}

/**
 * The effect of an `Idempotency-Key`. `once` and `secret`: for 24 hours (a repeat of `secret` is answered without the
 * secret). `command` and `start`: as long as the stream exists.
 */
export type OnceKind = 'once' | 'secret' | 'command' | 'start';

/** The HTTP route of an operation. */
export interface HttpRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** In the router's notation: `/api/v1/models/:name`. */
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  readonly query?: QuerySpec;
  readonly body?: BodySpec;
  /** It accepts `If-None-Match` of a reader. */
  readonly seen?: boolean;
  /** It accepts `If-Match` and `If-None-Match`, and compares them with the resource that it changes. */
  readonly compares?: boolean;
  readonly once?: OnceKind;
  /** The execution's trace continues the caller's trace. */
  readonly traceparent?: boolean;
  /** Its answer contains a secret, which no cache may store. */
  readonly secret?: boolean;
  /** Whether coding assistants get it as a tool over MCP. */
  readonly tool?: boolean;
  /** Fields of the request that this route always sets. */
  readonly sets?: JsonObject;
  readonly answers: readonly AnswerSpec[];
}

interface OperationSpec {
  /** `<namespace>.<method>`, as in clients. */
  readonly name: string;
  readonly service: NatsService;
  readonly subject: string;
  /** A read changes nothing. */
  readonly kind: 'read' | 'command';
  /** Whether the request may be repeated while there is no answer. Default: true for a read. */
  readonly again?: boolean;
  /** The lowest role that may use it. */
  readonly role: Role;
  /** What it does, as a phrase after "to", for refusals. */
  readonly does: string;
  /**
   * If the request has `principal`, the role is checked. A request with only `tenant_id` is also used within the
   * platform.
   */
  readonly request: DescMessage;
  readonly reply: DescMessage;
  /**
   * Codes of its own refusals. General codes are not listed, nor those that follow from a body, an `Idempotency-Key` or
   * an `If-Match`.
   */
  readonly refuses?: readonly RefusalCode[];
  /** The services that send it. Default: the gateway. */
  readonly askedBy?: readonly NatsService[];
  readonly http?: HttpRoute;
}

/** The single definition of an operation. Services, gateway, OpenAPI and permissions are derived from it. */
export interface Operation<Request, Reply> extends OperationSpec {
  readonly again: boolean;
  readonly refuses: readonly RefusalCode[];
  readonly askedBy: readonly NatsService[];
  /** Carries the types only. No object has this field. */
  readonly types?: (request: Request) => Reply;
}

export type AnyOperation = Operation<never, unknown>;
export type RequestOf<O> = O extends Operation<infer Request, unknown> ? Request : never;
export type ReplyOf<O> = O extends Operation<never, infer Reply> ? Reply : never;

/**
 * Another route to an operation, which it calls with the fields of `sets`. Its service needs no handler of its own for
 * the route.
 */
export interface RouteTo<Request, Reply> extends Operation<Request, Reply> {
  /** The name of that operation. */
  readonly of: string;
}

export function defineOperation<Request, Reply>(spec: OperationSpec): Operation<Request, Reply> {
  return { again: spec.kind === 'read', refuses: [], askedBy: ['gateway'], ...spec };
}

/** An operation that only services use. No role is checked. */
export function defineInternal<Request, Reply>(
  spec: Omit<OperationSpec, 'role' | 'does' | 'http' | 'askedBy'> & { readonly askedBy: readonly NatsService[] },
): Operation<Request, Reply> {
  return defineOperation({ ...spec, role: 'viewer', does: 'ask' });
}

/** A command to an event stream. The owner of its partition answers it after the commit. No controller serves it. */
export interface StreamCommand extends Operation<CommandRequest, CommandReply> {
  readonly stream: true;
}

/** Commands go to the process that owns the stream's partition. */
export function defineCommand(
  spec: Omit<OperationSpec, 'service' | 'subject' | 'kind' | 'request' | 'reply'>,
): StreamCommand {
  const operation = defineOperation<CommandRequest, CommandReply>({
    ...spec,
    service: 'execution',
    subject: 'batuta.execution.*.command',
    kind: 'command',
    request: CommandRequestSchema,
    reply: CommandReplySchema,
  });
  return { ...operation, stream: true };
}

export function anotherRoute<Request, Reply>(
  operation: Operation<Request, Reply>,
  route: {
    readonly name: string;
    readonly role?: Role;
    readonly refuses?: readonly RefusalCode[];
    readonly http: HttpRoute;
  },
): RouteTo<Request, Reply> {
  return { ...operation, ...route, of: operation.name };
}

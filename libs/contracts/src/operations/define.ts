import type { DescMessage } from '@bufbuild/protobuf';
import type { RefusalCode, Role } from '../codes.js';
import type { JsonObject } from '../common.js';
import type { CommandReply, CommandRequest } from '../execution.js';
import { CommandReplySchema, CommandRequestSchema } from '../generated/batuta/execution/v1/commands_pb.js';
import type { NatsService } from '../nats-services.js';
import type { QuerySpec } from './parameters.js';

/** A body, and how OpenAPI shows it. */
export interface BodySpec {
  /** Its schema in OpenAPI, which is a DTO of the gateway or one of its schemas. */
  readonly schema: string;
  readonly says: string;
  /** A JSON merge patch (RFC 7396). */
  readonly merges?: boolean;
  /** Without a body, an empty one is meant. */
  readonly optional?: boolean;
  /** Fields that the platform keeps beside what users say: a body may have them, as an answer has, and they are ignored. */
  readonly kept?: readonly string[];
  /** The field of the request that takes it; `body` when not said. */
  readonly field?: string;
  /** One that works on a platform that has what the examples before it made. */
  readonly example: JsonObject;
}

/** A success. */
export interface AnswerSpec {
  readonly status: number;
  /** Its schema in OpenAPI; a text of the media type without one. */
  readonly schema?: string;
  readonly media?: string;
  readonly says: string;
  readonly etag?: boolean;
  /** Of a 201 it goes without saying. */
  readonly location?: boolean;
  readonly retryAfter?: boolean;
  /** Where the tenant has a limit. */
  readonly rateLimit?: boolean;
}

/**
 * What an `Idempotency-Key` does: `once` and `secret` for 24 hours (a repeat of the latter is answered without the secret),
 * `command` and `start` for as long as the stream is kept.
 */
export type OnceKind = 'once' | 'secret' | 'command' | 'start';

/** How an operation is reached over HTTP. */
export interface HttpRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** As the router writes it: `/api/v1/models/:name`. */
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  readonly query?: QuerySpec;
  readonly body?: BodySpec;
  /** It takes `If-None-Match` of a reader. */
  readonly seen?: boolean;
  /** It takes `If-Match` and `If-None-Match`, and holds them against what it changes. */
  readonly compares?: boolean;
  readonly once?: OnceKind;
  /** The execution's trace goes on with the caller's. */
  readonly traceparent?: boolean;
  /** Its answer holds a secret, which no cache may keep. */
  readonly secret?: boolean;
  /** Fields of the request that this route sets, whatever it is asked. */
  readonly sets?: JsonObject;
  readonly answers: readonly AnswerSpec[];
}

export interface OperationSpec {
  /** `<namespace>.<method>`, as clients call it. */
  readonly name: string;
  readonly service: NatsService;
  readonly subject: string;
  /** A read changes nothing. */
  readonly kind: 'read' | 'command';
  /** Whether it may be asked again while there is no answer. Default: of a read. */
  readonly again?: boolean;
  /** The least role that may ask. */
  readonly role: Role;
  /** What it does, after "to": for refusals. */
  readonly does: string;
  /** A request with `principal` is checked for the role; one with `tenant_id` alone is asked for within the platform too. */
  readonly request: DescMessage;
  readonly reply: DescMessage;
  /**
   * Codes of its own. Those that any request may be refused with are not said; nor are those that follow from a body, an
   * `Idempotency-Key` and an `If-Match`.
   */
  readonly refuses?: readonly RefusalCode[];
  /** The services that ask for it. Default: the gateway. */
  readonly askedBy?: readonly NatsService[];
  readonly http?: HttpRoute;
}

/** The one place that says what an operation is; services, gateway, OpenAPI and permissions follow from it. */
export interface Operation<Request, Reply> extends OperationSpec {
  readonly again: boolean;
  readonly refuses: readonly RefusalCode[];
  readonly askedBy: readonly NatsService[];
  /** Says the types; nothing has it. */
  readonly types?: (request: Request) => Reply;
}

export type AnyOperation = Operation<never, unknown>;
export type RequestOf<O> = O extends Operation<infer Request, unknown> ? Request : never;
export type ReplyOf<O> = O extends Operation<never, infer Reply> ? Reply : never;

/** Another route to an operation, which is asked for with `sets`. Its service serves nothing more for it. */
export interface RouteTo<Request, Reply> extends Operation<Request, Reply> {
  /** Name of that operation. */
  readonly of: string;
}

export function defineOperation<Request, Reply>(spec: OperationSpec): Operation<Request, Reply> {
  return { again: spec.kind === 'read', refuses: [], askedBy: ['gateway'], ...spec };
}

/** An operation that only services ask for: nobody's role is looked at. */
export function defineInternal<Request, Reply>(
  spec: Omit<OperationSpec, 'role' | 'does' | 'http' | 'askedBy'> & { readonly askedBy: readonly NatsService[] },
): Operation<Request, Reply> {
  return defineOperation({ ...spec, role: 'viewer', does: 'ask' });
}

/** A command to an event stream, which the owner of its partition answers after the commit; no controller serves it. */
export interface StreamCommand extends Operation<CommandRequest, CommandReply> {
  readonly stream: true;
}

/** Commands go to whichever process owns the partition of the stream. */
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

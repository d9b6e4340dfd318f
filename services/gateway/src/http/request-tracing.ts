import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import type { CommandReply, CommandRequest } from '@batuta/contracts';
import { headers as headerNames } from '@batuta/contracts';
import { parseTraceparent, preciseNow, spanIds, traceparentOf } from '@batuta/observability';
import type { FinishedSpan, SpanLink, Tracing } from '@batuta/observability';
import { headers as natsHeaders } from '@nats-io/nats-core';
import type { MsgHdrs } from '@nats-io/nats-core';
import type { FastifyInstance, FastifyRequest } from 'fastify';

interface Served {
  spanId: string;
  /** The caller's span. The request's span is its child, in the caller's trace. */
  readonly caller: SpanLink | undefined;
  readonly startAt: number;
  /** The command of the request, after the engine has answered it. */
  command?: {
    readonly traceId: string;
    readonly id: string;
    readonly executionId: string;
    readonly span: FinishedSpan;
  };
}

/** A command that is being sent to the engine. */
interface TracedCommand {
  /** Headers of the message. Undefined when the trace is unknown before the answer. */
  readonly headers: MsgHdrs | undefined;
  answered(reply: CommandReply): void;
}

const newSpanId = (): string =>
  randomBytes(8)
    .toString('hex')
    .replace(/^0{16}$/, '0000000000000001');
/** Commands by the contract's template, because each partition's number would make another span name. */
const COMMAND_SUBJECT = 'batuta.execution.{partition}.command';

/**
 * Spans of requests that became a command. The request's span is under the caller's span if the request names one, else
 * under the execution's root. The command's span is under the request's. Requests that only read belong to no execution
 * and have no span.
 */
export class RequestTracing {
  readonly #tracing: Tracing;
  readonly #current = new AsyncLocalStorage<Served>();
  readonly #served = new WeakMap<FastifyRequest, Served>();

  constructor(tracing: Tracing) {
    this.#tracing = tracing;
  }

  /** Traces the requests of an HTTP server. */
  install(fastify: FastifyInstance): void {
    // After the body was read, because reading it loses the earlier async context.
    fastify.addHook('preHandler', (request, reply, done) => {
      const caller = callerOf(request.headers['traceparent']);
      const served: Served = { spanId: newSpanId(), caller, startAt: preciseNow() - reply.elapsedTime };
      this.#served.set(request, served);
      this.#current.run(served, done);
    });
    fastify.addHook('onResponse', (request, reply, done) => {
      const served = this.#served.get(request);
      if (served?.command !== undefined) {
        const route = request.routeOptions.url ?? 'unknown';
        this.#record(served, `${request.method} ${route}`, {
          'http.request.method': request.method,
          'http.route': route,
          'http.response.status_code': reply.statusCode,
          'url.scheme': request.protocol,
          ...(reply.statusCode >= 500 ? { 'error.type': String(reply.statusCode) } : {}),
        });
      }
      done();
    });
  }

  /** Traces a WebSocket's message. */
  async socket<T>(route: string, traceparent: string | undefined, work: () => Promise<T>): Promise<T> {
    const served: Served = { spanId: newSpanId(), caller: callerOf(traceparent), startAt: preciseNow() };
    try {
      return await this.#current.run(served, work);
    } finally {
      this.#record(served, `GET ${route}`, {
        'http.request.method': 'GET',
        'http.route': route,
        'http.response.status_code': 101,
        'network.protocol.name': 'websocket',
      });
    }
  }

  /** Records a command that the current request sends. */
  command(request: CommandRequest): TracedCommand | undefined {
    const served = this.#current.getStore();
    if (served === undefined) return undefined;
    const startAt = preciseNow();
    const spanId = newSpanId();
    const known = served.caller?.traceId ?? request.start?.traceId;
    let headers: MsgHdrs | undefined;
    if (known !== undefined) {
      headers = natsHeaders();
      headers.set(headerNames.traceparent, traceparentOf(known, spanId, this.#tracing.sampled(known)));
    }
    return {
      headers,
      answered: ({ accepted }) => {
        const traceId = accepted?.traceId ?? '';
        if (accepted === undefined || traceId === '') return;
        // The root span of the execution's trace names the request that started it.
        if (request.start !== undefined && accepted.repeated !== true) {
          served.spanId = spanIds.request(traceId, request.commandId);
        }
        served.command = {
          traceId,
          id: request.commandId,
          executionId: accepted.executionId,
          span: {
            traceId: served.caller?.traceId ?? traceId,
            spanId,
            parentSpanId: served.spanId,
            name: `request ${COMMAND_SUBJECT}`,
            kind: 'client',
            startAt,
            endAt: preciseNow(),
            attributes: {
              'batuta.execution.id': accepted.executionId,
              'batuta.command.id': request.commandId,
              'messaging.system': 'nats',
              'messaging.operation.name': 'request',
              'messaging.operation.type': 'send',
              'messaging.destination.template': COMMAND_SUBJECT,
              'messaging.message.id': request.commandId,
              ...(accepted.repeated === true ? { 'batuta.command.repeated': true } : {}),
            },
          },
        };
      },
    };
  }

  #record(served: Served, name: string, attributes: NonNullable<FinishedSpan['attributes']>): void {
    const { command, caller } = served;
    if (command === undefined) return;
    const { traceId } = command;
    const failed = attributes['error.type'];
    this.#tracing.record({
      traceId: caller?.traceId ?? traceId,
      spanId: served.spanId,
      // Without a caller it is a root: it begins before the execution does, or ends after it.
      ...(caller === undefined ? {} : { parentSpanId: caller.spanId }),
      name,
      kind: 'server',
      startAt: served.startAt,
      endAt: preciseNow(),
      attributes: { 'batuta.execution.id': command.executionId, ...attributes },
      // Within one trace, viewers take a link of a root for the span above it.
      links:
        caller === undefined
          ? []
          : [
              { traceId, spanId: spanIds.commandFromOutside(traceId, command.id) },
              { traceId, spanId: spanIds.execution(traceId) },
            ],
      ...(typeof failed === 'string' ? { error: failed } : {}),
    });
    this.#tracing.record(command.span);
  }
}

function callerOf(traceparent: string | string[] | undefined): SpanLink | undefined {
  return typeof traceparent === 'string' ? parseTraceparent(traceparent) : undefined;
}

import type { IncomingMessage } from 'node:http';
import { AUDIT_TEXT, DEFAULT_TENANT } from '@batuta/contracts';
import type { AuditOutcome, Principal } from '@batuta/contracts';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { AuthenticatedRequest } from '../auth/principal.js';
import { Problem } from '../http/problem.js';
import { refusalOf } from '../http/refusal-notes.js';
import type { AuditRecord, AuditWriter } from './audit-writer.js';
import type { OperationNames } from './operation-names.js';

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
const API = '/api/v1/';
const START = 'executions.start';
/** Statuses that refuse the caller. These are recorded for reads too. */
const REFUSES_CALLER: ReadonlySet<number> = new Set([401, 403, 429]);

const outcomeOf = (status: number): AuditOutcome => (status < 400 ? 'succeeded' : status < 499 ? 'refused' : 'failed');

/** The user as the audit log shows it. Requests without a valid key go to the log of the platform's tenant. */
function whoIs(principal: Principal | undefined): Pick<AuditRecord, 'tenantId' | 'keyId' | 'userId' | 'role'> {
  if (principal === undefined) return { tenantId: DEFAULT_TENANT };
  const { tenantId, keyId, userId, role } = principal;
  return { tenantId, keyId, userId: userId.slice(0, AUDIT_TEXT), role };
}

/** A path as the audit log names resources: below /api/v1/, without the query, still percent-encoded. */
function resourceOf(url: string): string {
  const [path = ''] = url.split('?', 1);
  return (path.startsWith(API) ? path.slice(API.length) : path).slice(0, AUDIT_TEXT);
}

/** A request over a WebSocket, and its outcome. */
export interface AuditedSocket {
  readonly principal: Principal | undefined;
  readonly action: string;
  readonly url: string;
  readonly status: number;
  readonly code?: string | undefined;
  readonly request: IncomingMessage;
  readonly requestId: string;
}

interface AuditedRequestsOptions {
  readonly writer: AuditWriter;
  readonly names: OperationNames;
  /** Whether to record accepted starts too. They are events of their executions already. */
  readonly starts: boolean;
  readonly addressOf: (request: IncomingMessage) => string;
}

/** Records changes and refusals, and refuses changes that could not be recorded. */
export class AuditedRequests {
  readonly #options: AuditedRequestsOptions;

  constructor(options: AuditedRequestsOptions) {
    this.#options = options;
  }

  /** Call it after the hook that checks keys. */
  install(fastify: FastifyInstance): void {
    fastify.addHook('onRequest', (request, _reply, done) => {
      try {
        if (!READS.has(request.method) && request.url.startsWith(API)) this.requireRoom();
        done();
      } catch (error) {
        done(error as Error);
      }
    });
    fastify.addHook('onResponse', (request: AuthenticatedRequest, reply, done) => {
      this.#record(request, reply);
      done();
    });
  }

  /** @throws Problem unavailable when the next change could not be recorded. */
  requireRoom(): void {
    if (!this.#options.writer.full) return;
    throw new Problem('unavailable', 'The audit log takes no entries now, so nothing may be changed.');
  }

  /** Records a refused WebSocket, or a request over one. */
  socket({ principal, action, url, status, code, request, requestId }: AuditedSocket): void {
    const { writer, starts, addressOf } = this.#options;
    if (writer.full || (status < 400 && !starts)) return;
    writer.record({
      ...whoIs(principal),
      channel: 'websocket',
      action,
      resource: resourceOf(url),
      outcome: outcomeOf(status),
      ...(code === undefined ? {} : { code }),
      address: addressOf(request),
      requestId,
    });
  }

  #record(request: AuthenticatedRequest, reply: FastifyReply): void {
    const { method, url } = request;
    if (!url.startsWith(API)) return;
    const { writer, names, starts, addressOf } = this.#options;
    const { statusCode: status } = reply;
    const action = names.of(method, request.routeOptions.url ?? '');
    if (READS.has(method) || names.reads(action)) {
      if (!REFUSES_CALLER.has(status)) return;
    } else if (request.is404 && status !== 401) {
      return;
    }
    if (!starts && status < 400 && action === START) return;
    // A request that came while there is no room was refused for that reason.
    if (writer.full) return;
    const location = reply.getHeader('location');
    const etag = reply.getHeader('etag');
    const code = refusalOf(reply);
    const done = status < 400;
    writer.record({
      ...whoIs(request.principal),
      channel: 'rest',
      action,
      resource: resourceOf(done && typeof location === 'string' ? location : url),
      ...(done && typeof etag === 'string' ? { revision: etag.slice(0, AUDIT_TEXT) } : {}),
      outcome: outcomeOf(status),
      ...(code === undefined ? {} : { code }),
      address: addressOf(request.raw),
      requestId: request.id,
    });
  }
}

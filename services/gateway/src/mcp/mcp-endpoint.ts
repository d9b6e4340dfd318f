import type { IncomingMessage } from 'node:http';
import { createMcpHandler, validateHostHeader, validateOriginHeader } from '@modelcontextprotocol/server';
import type { AuthInfo, McpHttpHandler } from '@modelcontextprotocol/server';
import type { Principal } from '@batuta/contracts';
import type { Logger } from '@batuta/observability';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { setTimeout as delay } from 'node:timers/promises';
import { principalOf } from '../auth/principal.js';
import type { AuthenticatedRequest } from '../auth/principal.js';
import { executionIdOfKey, isUuid, uuidV7 } from '../http/ids.js';
import { Problem } from '../http/problem.js';
import { SECURITY_HEADERS } from '../http/security-headers.js';
import { keyOfCall, mcpServer } from './mcp-server.js';
import type { McpServerOptions, McpSession } from './mcp-server.js';
import { callerOf } from './rest-calls.js';
import { cancelRun } from './tool-run.js';

export const MCP_PATH = '/mcp';
const SESSION = 'mcp-session-id';
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];
/** A cancellation may come before the start of the call is committed. */
const CANCEL_TRIES = 5;
const CANCEL_AGAIN_MS = 200;

export interface McpEndpointOptions extends McpServerOptions {
  readonly logger: Logger;
  /** Host names that a client may use. Empty: those of this machine when the gateway listens on it, otherwise any. */
  readonly hosts: readonly string[];
  readonly origins: readonly string[];
  readonly listensOn: string;
}

/** Whether a URL is the endpoint, which needs a key like the API. */
export const isMcp = (url: string): boolean => /^\/mcp(?:[/?]|$)/.test(url);

/** Host names that are allowed, or undefined for any. */
export function allowedHosts({ hosts, listensOn }: Pick<McpEndpointOptions, 'hosts' | 'listensOn'>) {
  if (hosts.length > 0) return hosts;
  return listensOn === '127.0.0.1' || listensOn === '::1' || listensOn === 'localhost' ? LOOPBACK : undefined;
}

/**
 * A page that a name server has led to this address sends its own name as host and origin (DNS rebinding), so both are
 * checked. @throws Problem forbidden.
 */
function requireKnownPage(options: McpEndpointOptions, { host, origin }: IncomingMessage['headers']): void {
  const known = allowedHosts(options);
  if (known !== undefined && !validateHostHeader(host, [...known]).ok) {
    throw new Problem('forbidden', `The host ${host ?? ''} is not one of this endpoint; see BATUTA_GATEWAY_MCP_HOSTS.`);
  }
  const { origins } = options;
  if (origin === undefined || origins[0] === '*' || origins.includes(origin)) return;
  if (known !== undefined && validateOriginHeader(origin, [...known]).ok) return;
  throw new Problem('forbidden', `Pages of ${origin} may not call this endpoint; see BATUTA_GATEWAY_CORS_ORIGINS.`);
}

/** The endpoint of the Model Context Protocol (streamable HTTP): `/mcp`. */
export class McpEndpoint {
  readonly #options: McpEndpointOptions;
  readonly #handler: McpHttpHandler;

  constructor(options: McpEndpointOptions) {
    this.#options = options;
    this.#handler = createMcpHandler(
      ({ authInfo, era }) => mcpServer(options, authInfo?.extra?.['session'] as McpSession, era),
      { onerror: (error) => options.logger.debug({ err: error }, 'a request over MCP was refused') },
    );
  }

  install(fastify: FastifyInstance): void {
    fastify.route({
      method: ['POST', 'GET', 'DELETE'],
      url: MCP_PATH,
      handler: (request: AuthenticatedRequest, reply: FastifyReply) => this.#serve(request, reply),
    });
  }

  /** Ends the calls that wait. Their executions run on. */
  close(): Promise<void> {
    return this.#handler.close();
  }

  async #serve(request: AuthenticatedRequest, reply: FastifyReply): Promise<Response> {
    const principal = principalOf(request);
    const { headers } = request;
    requireKnownPage(this.#options, headers);
    // A call may wait for minutes, and its body is parsed: the room is for others.
    request.leaveBodyRoom?.();
    const session: McpSession = {
      principal,
      caller: callerOf(request.raw, request.id),
      base: `${request.protocol}://${headers.host ?? 'localhost'}`,
      sessionId: sessionIdOf(headers[SESSION]),
      keyHeader: single(headers['idempotency-key']),
    };
    const { body } = request;
    this.#cancelled(session, body);
    const gone = new AbortController();
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) gone.abort();
    });
    const authInfo: AuthInfo = { token: '', clientId: principal.keyId ?? '', scopes: [], extra: { session } };
    const asked = new Request(`${session.base}${MCP_PATH}`, {
      method: request.method,
      headers: webHeaders(headers),
      signal: gone.signal,
      ...(request.method === 'POST' ? { body: JSON.stringify(body ?? null) } : {}),
    });
    const answer = await this.#handler.fetch(asked, { authInfo, ...(body === undefined ? {} : { parsedBody: body }) });
    void reply.headers(SECURITY_HEADERS).header('cache-control', 'no-store');
    if (begins(body)) void reply.header(SESSION, uuidV7());
    return answer;
  }

  /** Cancels what a call has started. The gateway that serves the call may be another one. */
  #cancelled(session: McpSession, body: unknown): void {
    const { sessionId, principal } = session;
    if (sessionId === undefined) return;
    for (const message of [body].flat()) {
      const id = cancelledId(message);
      if (id === undefined) continue;
      this.#cancel(session, principal, keyOfCall(principal, sessionId, id)).catch((error: unknown) =>
        this.#options.logger.warn({ err: error }, 'a call over MCP could not be cancelled'),
      );
    }
  }

  async #cancel({ caller }: McpSession, { tenantId }: Principal, key: string): Promise<void> {
    const { run, running } = this.#options;
    for (let tries = 0; tries < CANCEL_TRIES; tries += 1) {
      if (tries > 0) await delay(CANCEL_AGAIN_MS);
      const known = running.get(key);
      const ids = known === undefined ? [key, `task ${key}`].map((each) => executionIdOfKey(tenantId, each)) : [known];
      for (const id of ids) if (await cancelRun(run, caller, id)) return;
      if (known !== undefined || !run.cancels) return;
    }
  }
}

function begins(body: unknown): boolean {
  return [body].flat().some((message) => (message as { method?: unknown } | null | undefined)?.method === 'initialize');
}

function cancelledId(message: unknown): string | number | undefined {
  const { method, params } = (message ?? {}) as { method?: unknown; params?: { requestId?: unknown } };
  if (method !== 'notifications/cancelled') return undefined;
  const id = params?.requestId;
  return typeof id === 'string' || typeof id === 'number' ? id : undefined;
}

const single = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.join(', ') : value;

/** A session is only a name for the ids of calls: nothing is stored for it, and any gateway takes it. */
function sessionIdOf(value: string | string[] | undefined): string | undefined {
  const id = single(value);
  if (id === undefined) return undefined;
  if (!isUuid(id)) throw new Problem('not_found', 'There is no such session; begin a new one.');
  return id;
}

function webHeaders(headers: IncomingMessage['headers']): Headers {
  const all = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    const text = single(value);
    // The body is written anew, and a key is of no use below.
    if (text !== undefined && !['content-length', 'authorization', 'transfer-encoding'].includes(name)) {
      all.set(name, text);
    }
  }
  return all;
}

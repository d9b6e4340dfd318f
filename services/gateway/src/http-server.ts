import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from '@batuta/observability';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type {
  FastifyError,
  FastifyInstance,
  FastifyPluginCallback,
  FastifyReply,
  FastifyRequest,
  RouteHandlerMethod,
} from 'fastify';
import type { AuditedRequests } from './audit/audited-requests.js';
import type { Authenticator, Identity } from './auth/authenticator.js';
import { bearerOf } from './auth/bearer.js';
import type { AuthenticatedRequest } from './auth/principal.js';
import type { GatewaySettings } from './settings.js';
import { endWithProblem, requireHost, requireSingleHeaders } from './http/bare-requests.js';
import { BodyRoom } from './http/body-room.js';
import { allowOrigins } from './http/cross-origin.js';
import { isMcp } from './mcp/mcp-endpoint.js';
import { MERGE_PATCH } from './routes/documented.js';
import { EXECUTE_ROUTE } from './executions/execute.controller.js';
import { parseJsonText } from './http/json-text.js';
import { badUrl, mistake, Problem, problemOfStatus } from './http/problem.js';
import { hasLeft, METHODS_OF_SERVER, pathOf } from './http/problem.filter.js';
import { representAnswers } from './http/representation.js';
import { REQUEST_ID, requestIdOf } from './http/request-id.js';
import { measure } from './http/request-metrics.js';
import { SECURITY_HEADERS, securityHeadersFor } from './http/security-headers.js';
import type { RequestTracing } from './http/request-tracing.js';
import type { RouteTable } from './http/route-table.js';

/**
 * Most bytes of the request line and headers together. The longest search takes 18,000 bytes in a URL when it is
 * Japanese.
 */
const MAX_HEADER_BYTES = 32 * 1024;

/** The Fastify instance under Nest with the gateway's limits: sizes, times, JSON, keys. */
export function createHttpAdapter(
  settings: GatewaySettings,
  authenticator: Authenticator,
  routes: RouteTable,
  logger: Logger,
  execute: RouteHandlerMethod,
  audited: AuditedRequests,
  requestTracing?: RequestTracing,
): FastifyAdapter {
  const adapter = new FastifyAdapter({
    logger: false,
    genReqId: ({ headers }: IncomingMessage) => requestIdOf(headers),
    requestIdHeader: false,
    bodyLimit: settings.bodyLimit,
    requestTimeout: settings.requestTimeoutMs,
    keepAliveTimeout: 72_000,
    // Fastify's own answer is not a problem document: see `authenticateRequests`.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 1024 },
    http: {
      // Node's own answer to a request without Host is empty: see `requireHost`.
      requireHostHeader: false,
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: settings.headersTimeoutMs,
      connectionsCheckingInterval: Math.max(100, Math.min(2_000, settings.headersTimeoutMs / 4)),
    },
    clientErrorHandler: (error: NodeJS.ErrnoException, socket: Socket) => answerClientError(error, socket, logger),
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
      const problem = problemOfFramework(error);
      const body = JSON.stringify(problem.body(pathOf(request.raw.url), request.id));
      const headers = { ...SECURITY_HEADERS, [REQUEST_ID]: request.id, ...problem.headers() };
      reply.raw.writeHead(problem.getStatus(), headers).end(body);
    },
  });
  const fastify: FastifyInstance = adapter.getInstance();
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser(['application/json', MERGE_PATCH], { parseAs: 'buffer' }, (request, body, done) => {
    // Some clients send a content type even without a body.
    if (body.length === 0) {
      done(null, undefined);
      return;
    }
    try {
      requireUtf8(request.headers['content-type']);
      requireJson(request);
      done(null, parseJsonText(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  fastify.addHook('onRoute', (route) => {
    routes.add(route.url, [route.method].flat());
    if (route.url === EXECUTE_ROUTE.url && route.method === EXECUTE_ROUTE.method) route.handler = execute;
  });
  const closing = { now: false };
  fastify.addHook('preClose', (done) => {
    closing.now = true;
    done();
  });
  answerBelowRoutes(fastify.server);
  welcomeRequests(fastify);
  // A plugin is loaded after the ones before it. So a page of another origin can also read the refusal of a wrong key.
  allowOrigins(fastify, settings.corsOrigins);
  void fastify.register(
    inSameScope((instance, _options, done) => {
      answerOptions(instance, routes);
      authenticateRequests(instance, authenticator, closing);
      audited.install(instance);
      makeRoomForBodies(instance, settings);
      done();
    }),
  );
  representAnswers(fastify);
  measureRequests(fastify);
  requestTracing?.install(fastify);
  return adapter;
}

function problemOfFramework(error: FastifyError): Problem {
  if (error.code === 'FST_ERR_BAD_URL') return badUrl();
  // An id that is too long cannot exist, so it is not found like any other missing id.
  if (error.statusCode === 414) return new Problem('not_found', 'There is nothing at this path.');
  return problemOfStatus(error.statusCode ?? 400, error.message);
}

/** Makes the hooks of a plugin apply to all routes. */
function inSameScope(plugin: FastifyPluginCallback): FastifyPluginCallback {
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true });
}

/** Sets the headers of every answer. */
function welcomeRequests(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.headers(securityHeadersFor(request.raw.url ?? '/')).header(REQUEST_ID, request.id);
    try {
      requireSingleHeaders(request.raw);
      done();
    } catch (error) {
      done(error as Error);
    }
  });
}

/** OPTIONS lists the methods of a path, without a key, because browsers ask this before they send one. */
function answerOptions(fastify: FastifyInstance, routes: RouteTable): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    if (request.method !== 'OPTIONS') {
      done();
      return;
    }
    const path = pathOf(request.raw.url);
    const methods = routes.methodsOf(path);
    if (methods.length === 0) done(new Problem('not_found', `There is nothing at ${path}.`));
    else void reply.code(204).header('allow', methods.join(', ')).send();
  });
}

const unsupported = (header: string, message: string): Problem =>
  new Problem('unsupported_media_type', message, {
    errors: [{ path: `/headers/${header}`, code: 'not_allowed', message }],
  });

function requireUtf8(contentType: string | undefined): void {
  const charset = /;\s*charset="?([^";\s]+)/i.exec(contentType ?? '')?.[1]?.toLowerCase();
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8') {
    throw unsupported('content-type', 'JSON is UTF-8 (RFC 8259).');
  }
}

/** A merge patch describes a change of an existing document, so other methods do not take it. */
function requireJson({ method, headers }: FastifyRequest): void {
  if (method !== 'PATCH' && headers['content-type']?.toLowerCase().startsWith(MERGE_PATCH) === true) {
    throw unsupported('content-type', `${MERGE_PATCH} is for PATCH; send application/json.`);
  }
}

/** Whether the percent-encoding of a URL is valid and decodes to UTF-8. */
function isDecodable(url: string): boolean {
  if (!url.includes('%')) return true;
  try {
    decodeURIComponent(url);
    return true;
  } catch {
    return false;
  }
}

/** Answers requests that Node would refuse without a body: expectations other than `100-continue`, and `CONNECT`. */
function answerBelowRoutes(server: Server): void {
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    const message = 'may only be 100-continue';
    const problem = new Problem('expectation_failed', `Expect ${message}.`, {
      errors: [{ path: '/headers/expect', code: 'not_allowed', message }],
    });
    const requestId = requestIdOf(request.headers);
    const body = JSON.stringify(problem.body(pathOf(request.url), requestId));
    // The body of the request is not read.
    response
      .writeHead(problem.getStatus(), {
        ...SECURITY_HEADERS,
        [REQUEST_ID]: requestId,
        ...problem.headers(),
        'content-length': Buffer.byteLength(body),
        connection: 'close',
      })
      .end(body);
  });
  server.on('connect', (request: IncomingMessage, connection: Duplex) => {
    const problem = new Problem('method_not_allowed', 'CONNECT is not allowed: this is no proxy.', {
      headers: { allow: METHODS_OF_SERVER },
    });
    endWithProblem(connection, problem, { requestId: requestIdOf(request.headers) });
  });
}

/** Checks keys before the body is read, so that a client without a key cannot make the gateway parse a body. */
function authenticateRequests(
  fastify: FastifyInstance,
  authenticator: Authenticator,
  closing: { readonly now: boolean },
): void {
  fastify.addHook('onRequest', (request: AuthenticatedRequest, _reply, done) => {
    const { url = '/', headers } = request.raw;
    try {
      if (closing.now) throw new Problem('unavailable', 'The gateway is stopping.');
      requireHost(request.raw);
      if (/%00/.test(url)) throw mistake('/url', 'invalid_character', 'must not hold a NUL character (%00)');
      if (!isDecodable(url)) throw badUrl();
      const encoding = headers['content-encoding'];
      if (encoding !== undefined && encoding !== 'identity') {
        throw unsupported('content-encoding', `Content-Encoding ${encoding} is not supported; send the body as it is.`);
      }
      if (!url.startsWith('/api/') && !isMcp(url)) {
        done();
        return;
      }
      const letIn = (identity: Identity): void => {
        request.principal = identity.principal;
        done();
      };
      const identity = authenticator.identify(bearerOf(headers.authorization), request.raw);
      if (identity instanceof Promise) identity.then(letIn).catch((error: unknown) => done(error as Error));
      else letIn(identity);
    } catch (error) {
      done(error as Error);
    }
  });
}

/** Bodies up to this size are always accepted. */
const SMALL_BODY_BYTES = 16 * 1024;
/** How many tenants with many large bodies share the room for bodies. */
const TENANTS_AT_ONCE = 4;

/** Large bodies wait unread until there is room for them, so that many of them at once do not use up the memory. */
function makeRoomForBodies(
  fastify: FastifyInstance,
  { bodiesAtOnce, bodyLimit, requestTimeoutMs }: GatewaySettings,
): void {
  // The time limit for receiving the request also runs while it waits.
  const room = new BodyRoom(bodiesAtOnce, requestTimeoutMs / 2, bodiesAtOnce / TENANTS_AT_ONCE);
  fastify.addHook('onRequest', (request: AuthenticatedRequest, reply, done) => {
    const { headers } = request.raw;
    const length = headers['content-length'];
    const bytes = length === undefined && headers['transfer-encoding'] !== undefined ? bodyLimit : Number(length ?? 0);
    // A body that is too large, or whose length is not valid, is refused later.
    if (!(bytes > SMALL_BODY_BYTES) || bytes > bodyLimit) {
      done();
      return;
    }
    const tenantId = request.principal?.tenantId ?? '';
    const enter = (giveBack: () => void): void => {
      let left = false;
      const leave = (): void => {
        if (!left) giveBack();
        left = true;
      };
      request.leaveBodyRoom = leave;
      if (reply.raw.destroyed) leave();
      else reply.raw.once('close', leave);
      done();
    };
    const giveUp = room.ask(tenantId, bytes, enter, (why) => done(why));
    reply.raw.once('close', giveUp);
  });
}

function measureRequests(fastify: FastifyInstance): void {
  fastify.addHook('onResponse', (request, reply, done) => {
    if (!hasLeft(request)) measure(request, reply);
    done();
  });
}

/**
 * Answers requests that Node's parser refused before any handler: bad syntax, or headers that are too large or too
 * slow.
 */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket, logger: Logger): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  logger.debug({ err: error }, 'bad request');
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const detail =
    status === 431
      ? `The request line and headers may have at most ${MAX_HEADER_BYTES} bytes.`
      : status === 408
        ? 'The request did not arrive in time.'
        : 'This is not a valid HTTP request.';
  endWithProblem(socket, problemOfStatus(status, detail));
}

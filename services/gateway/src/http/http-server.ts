import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { histogram } from '@batuta/observability';
import type { Logger } from '@batuta/observability';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify';
import type { Authenticator, Identity } from '../auth/authenticator.js';
import { bearerOf } from '../auth/bearer.js';
import type { AuthenticatedRequest } from '../auth/principal.js';
import type { GatewaySettings } from '../settings.js';
import { MERGE_PATCH } from './documented.js';
import { EXECUTE_ROUTE } from './execute.controller.js';
import { parseJsonText } from './json-text.js';
import { Problem, problemOfStatus } from './problem.js';
import { pathOf } from './problem.filter.js';
import type { RequestTracing } from './request-tracing.js';
import type { RouteTable } from './route-table.js';

/** Bytes of a request's line and headers together: the longest search takes 18,000 in a URL when it is Japanese. */
const MAX_HEADER_BYTES = 32 * 1024;

/** The Fastify instance under Nest with the edge's limits: sizes, times, JSON, keys. */
export function createHttpAdapter(
  settings: GatewaySettings,
  authenticator: Authenticator,
  routes: RouteTable,
  logger: Logger,
  execute: RouteHandlerMethod,
  requestTracing?: RequestTracing,
): FastifyAdapter {
  const adapter = new FastifyAdapter({
    logger: false,
    bodyLimit: settings.bodyLimit,
    requestTimeout: settings.requestTimeoutMs,
    keepAliveTimeout: 72_000,
    return503OnClosing: true,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 1024 },
    http: {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: settings.headersTimeoutMs,
      connectionsCheckingInterval: Math.max(100, Math.min(2_000, settings.headersTimeoutMs / 4)),
    },
    clientErrorHandler: (error: NodeJS.ErrnoException, socket: Socket) => answerClientError(error, socket, logger),
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
      const problem = problemOfStatus(error.statusCode ?? 400, error.message);
      const body = JSON.stringify(problem.body(pathOf(request.raw.url)));
      reply.raw.writeHead(problem.getStatus(), problem.headers()).end(body);
    },
  });
  const fastify: FastifyInstance = adapter.getInstance();
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser(['application/json', MERGE_PATCH], { parseAs: 'buffer' }, (request, body, done) => {
    // Clients that always send a content type send it without a body too.
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
  authenticateRequests(fastify, authenticator);
  measureRequests(fastify);
  requestTracing?.install(fastify);
  return adapter;
}

function requireUtf8(contentType: string | undefined): void {
  const charset = /;\s*charset="?([^";\s]+)/i.exec(contentType ?? '')?.[1]?.toLowerCase();
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8') {
    throw new Problem('unsupported_media_type', 'JSON is UTF-8 (RFC 8259).');
  }
}

/** A merge patch says how something that is there changes: it is no body of any other request. */
function requireJson({ method, headers }: FastifyRequest): void {
  if (method !== 'PATCH' && headers['content-type']?.toLowerCase().startsWith(MERGE_PATCH) === true) {
    throw new Problem('unsupported_media_type', `${MERGE_PATCH} is for PATCH; send application/json.`);
  }
}

/** Keys are checked before the body is read: who has none cannot make the gateway parse. */
function authenticateRequests(fastify: FastifyInstance, authenticator: Authenticator): void {
  fastify.addHook('onRequest', (request: AuthenticatedRequest, _reply, done) => {
    const { url = '/', headers } = request.raw;
    try {
      if (/%00/.test(url)) throw new Problem('validation_failed', 'The URL holds a NUL character (%00).');
      const encoding = headers['content-encoding'];
      if (encoding !== undefined && encoding !== 'identity') {
        throw new Problem(
          'unsupported_media_type',
          `Content-Encoding ${encoding} is not supported; send the body as it is.`,
        );
      }
      if (!url.startsWith('/api/')) {
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

function measureRequests(fastify: FastifyInstance): void {
  const seconds = histogram(
    'batuta_gateway_http_request_seconds',
    'Time to answer an HTTP request, waiting included.',
    ['method', 'route', 'status'],
  );
  fastify.addHook('onResponse', (request, reply, done) => {
    const route = request.is404 ? 'unknown' : (request.routeOptions.url ?? 'unknown');
    seconds.observe({ method: request.method, route, status: String(reply.statusCode) }, reply.elapsedTime / 1000);
    done();
  });
}

/** Answers what Node's parser refused before any handler: bad syntax, headers too large or too slow. */
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
  const problem = problemOfStatus(status, detail);
  const body = JSON.stringify({ ...problem.body(), status });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/problem+json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import { Catch, HttpException, NotFoundException } from '@nestjs/common';
import type { Logger } from '@batuta/observability';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem, problemOfStatus } from './problem.js';
import { measure } from './request-metrics.js';
import { noteRefusal } from './refusal-notes.js';
import { REQUEST_ID } from './request-id.js';
import { SECURITY_HEADERS } from './security-headers.js';
import type { RouteTable } from './route-table.js';

/** The path of a request without the query, because a query may contain data that must not be logged. */
export const pathOf = (url: string | undefined): string => (url ?? '/').split('?', 1)[0] ?? '/';

/** Only for logs and metrics, because no client reads it. nginx uses the same number. */
const CLIENT_CLOSED_REQUEST = 499;

export const METHODS_OF_SERVER = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** Whether the client has closed the connection while it was sending. */
export const hasLeft = ({ raw }: FastifyRequest): boolean => !raw.complete && raw.destroyed;

/**
 * Writes every refusal and every failure as problem details. An unexpected error is logged, and the client sees only a
 * 500.
 */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #logger: Logger;
  readonly #routes: RouteTable;
  readonly #bodyLimit: number;

  constructor(logger: Logger, routes: RouteTable, bodyLimit: number) {
    this.#logger = logger;
    this.#routes = routes;
    this.#bodyLimit = bodyLimit;
  }

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const { method, id } = request;
    const path = pathOf(request.raw.url);
    const about = { method, path, request_id: id };
    if (hasLeft(request)) {
      this.#logger.debug({ ...about, err: error }, 'the client left before its request was whole');
      measure(request, reply.code(CLIENT_CLOSED_REQUEST));
      if (!reply.sent) void reply.send();
      return;
    }
    // A URL that the router cannot parse reaches no hook before this filter.
    if (!reply.hasHeader(REQUEST_ID)) void reply.headers({ ...SECURITY_HEADERS, [REQUEST_ID]: id });
    if (method === 'OPTIONS' && path === '*') {
      void reply.code(204).header('allow', METHODS_OF_SERVER).send();
      return;
    }
    const problem = this.#problemOf(error, method, path);
    if (problem.getStatus() === 500) this.#logger.error({ err: error, ...about }, 'request failed');
    else if (problem.getStatus() === 503) this.#logger.warn({ ...about, reason: problem.detail }, 'request not served');
    noteRefusal(reply, problem.code);
    if (reply.sent || reply.raw.headersSent) return;
    void reply
      .code(problem.getStatus())
      .headers(problem.headers())
      .send(JSON.stringify(problem.body(path, id)));
  }

  #problemOf(error: unknown, method: string, path: string): Problem {
    if (error instanceof Problem) return error;
    if (error instanceof NotFoundException) return this.#unknownRoute(method, path);
    if (!(error instanceof HttpException)) return new Problem('internal', 'Something went wrong on our side.');
    switch (error.getStatus()) {
      case 413:
        return new Problem('payload_too_large', `A request body may have at most ${this.#bodyLimit} bytes.`);
      case 415:
        return new Problem('unsupported_media_type', 'Send the body as application/json.', {
          errors: [{ path: '/headers/content-type', code: 'not_allowed', message: 'must be application/json' }],
        });
      default:
        return problemOfStatus(error.getStatus(), error.message);
    }
  }

  #unknownRoute(method: string, path: string): Problem {
    const allowed = this.#routes.methodsOf(path);
    if (method === 'GET' && this.#routes.isSocket(path)) {
      return new Problem('upgrade_required', `${path} is a WebSocket: ask for it with an upgrade.`);
    }
    // If a route exists for the method, a parameter of this path is too long for it.
    if (allowed.length === 0 || allowed.includes(method)) {
      return new Problem('not_found', `There is nothing at ${path}.`);
    }
    return new Problem('method_not_allowed', `${method} is not allowed at ${path}; allowed: ${allowed.join(', ')}.`, {
      headers: { allow: allowed.join(', ') },
    });
  }
}

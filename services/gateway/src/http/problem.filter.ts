import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import { Catch, HttpException, NotFoundException } from '@nestjs/common';
import type { Logger } from '@batuta/observability';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem, problemOfStatus } from './problem.js';
import type { RouteTable } from './route-table.js';

/** The path of a request, without the query, which may hold what is not for logs. */
export const pathOf = (url: string | undefined): string => (url ?? '/').split('?', 1)[0] ?? '/';

/** Writes every refusal and every failure as problem details; what is not expected is logged and shown as nothing but 500. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly logger: Logger,
    private readonly routes: RouteTable,
    private readonly bodyLimit: number,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const path = pathOf(request.raw.url);
    const problem = this.#problemOf(error, request.method, path);
    if (problem.getStatus() === 500) this.logger.error({ err: error, method: request.method, path }, 'request failed');
    if (reply.sent || reply.raw.headersSent) return;
    void reply
      .code(problem.getStatus())
      .headers(problem.headers())
      .send(JSON.stringify(problem.body(path)));
  }

  #problemOf(error: unknown, method: string, path: string): Problem {
    if (error instanceof Problem) return error;
    if (error instanceof NotFoundException) return this.#unknownRoute(method, path);
    if (!(error instanceof HttpException)) return new Problem('internal', 'Something went wrong on our side.');
    switch (error.getStatus()) {
      case 413:
        return new Problem('payload_too_large', `A request body may have at most ${this.bodyLimit} bytes.`);
      case 415:
        return new Problem('unsupported_media_type', 'Send the body as application/json.', {
          errors: [{ path: '/headers/content-type', code: 'not_allowed', message: 'must be application/json' }],
        });
      default:
        return problemOfStatus(error.getStatus(), error.message);
    }
  }

  #unknownRoute(method: string, path: string): Problem {
    const allowed = this.routes.methodsOf(path);
    if (allowed.length === 0) return new Problem('not_found', `There is nothing at ${path}.`);
    return new Problem('method_not_allowed', `${method} is not allowed at ${path}; allowed: ${allowed.join(', ')}.`, {
      headers: { allow: allowed.join(', ') },
    });
  }
}

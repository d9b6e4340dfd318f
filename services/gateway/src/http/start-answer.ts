import { applyDecorators, HttpCode, Post } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { COMMAND_ROLE, waitParameter } from '@batuta/contracts';
import type { JsonObject, RefusalCode } from '@batuta/contracts';
import type { FastifyReply } from 'fastify';
import { Needs } from '../auth/principal.js';
import type { StartRequest } from '../backend/execution-starter.js';
import type { Executions } from '../backend/executions.js';
import { Answers, IdempotencyKey, Queries, Refuses, TraceParent } from './documented.js';
import { leavingOf } from './leaving.js';
import { admittedHeaders } from './rate-limit.js';

/** The query of every route that starts an execution. */
export const START_QUERY = { wait: waitParameter } as const;

export interface StartRouteOptions {
  /** Name of the operation in OpenAPI and in clients. */
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  /** Beside those of every handler. */
  readonly refuses: readonly RefusalCode[];
}

/** A POST that starts an execution: 202 when it runs on, 200 with the result when its end came within `wait`. */
export const StartRoute = (
  path: string,
  { operationId, summary, description, refuses }: StartRouteOptions,
): MethodDecorator =>
  applyDecorators(
    Refuses(...refuses, 'limit_reached'),
    Answers(200, 'ExecutionResult', 'With `wait`: it has ended.', { location: true, rateLimit: true }),
    Answers(202, 'Started', 'Started; it runs on.', { location: true, rateLimit: true }),
    IdempotencyKey,
    TraceParent,
    Queries(START_QUERY),
    ApiOperation({ operationId, summary, description }),
    Needs(COMMAND_ROLE),
    HttpCode(202),
    Post(path),
  );

/**
 * Starts an execution and writes the answer of a `StartRoute`; `waitMs` 0 does not wait.
 * @throws Problem as `Executions.start` does.
 */
export async function answerStart(
  executions: Executions,
  request: StartRequest,
  waitMs: number,
  reply: FastifyReply,
): Promise<JsonObject> {
  const {
    executionId,
    accepted,
    result,
    queued = [],
  } = await executions.start(request, waitMs === 0 ? { waitMs } : { waitMs, client: leavingOf(reply) });
  void reply.header('location', `/api/v1/orchestrations/executions/${executionId}`);
  if (accepted.admitted !== undefined) void reply.headers(admittedHeaders(accepted.admitted));
  if (result !== undefined) {
    void reply.code(200);
    return accepted.repeated === true ? { ...result, repeated: true } : result;
  }
  return {
    execution_id: executionId,
    trace_id: accepted.traceId,
    status: accepted.status,
    ...(queued.length === 0 ? {} : { queued: [...queued] }),
    ...(accepted.repeated === true ? { repeated: true } : {}),
  };
}

import type { JsonObject } from '@batuta/contracts';
import type { FastifyReply } from 'fastify';
import type { StartRequest } from './execution-starter.js';
import type { Executions } from './executions.js';
import { leavingOf } from '../http/leaving.js';
import { admittedHeaders } from '../http/rate-limit.js';

/**
 * Starts an execution and writes the answer of a `StartRoute`. `waitMs` 0 means not to wait. @throws Problem as
 * `Executions.start` does.
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

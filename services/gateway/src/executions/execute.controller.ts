import { Body, Controller, Headers, Param, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { JsonObject, JsonValue, Principal } from '@batuta/contracts';
import { Caller, principalOf } from '../auth/principal.js';
import type { AuthenticatedRequest } from '../auth/principal.js';
import { requireRole } from '../auth/role.guard.js';
import { Executions } from './executions.js';
import { checkedBody } from '../dto/checked.js';
import { ExecuteBody, PLAIN_EXECUTE_FIELDS } from '../dto/execute.dto.js';
import { idempotencyKeyOf, traceparentOf } from '../http/headers.js';
import { refusePreconditions } from '../http/preconditions.js';
import { parseQuery } from '../http/query.js';
import { answerStart } from './start-answer.js';
import { startOptionsOf } from './start-options.js';
import { RouteFor } from '../routes/operation-route.js';
import { operations, EXECUTION_QUERIES } from '@batuta/contracts';

const BODY = checkedBody(ExecuteBody, { optional: true, plain: PLAIN_EXECUTE_FIELDS });

@Controller()
export class ExecuteController {
  readonly #executions: Executions;

  constructor(executions: Executions) {
    this.#executions = executions;
  }

  @RouteFor(operations.executions.start)
  execute(
    @Caller() principal: Principal,
    @Param('config_id') config: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('traceparent') traceparent: string | undefined,
    @Body(BODY) body: ExecuteBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    return execute(this.#executions, { principal, config, query, key, traceparent, body }, reply);
  }
}

/** The route above, as Fastify names it. */
export const EXECUTE_ROUTE = { method: 'POST', url: '/api/v1/orchestrations/execute/:config_id' } as const;

/**
 * Answers the route above like the controller, but without Nest's guards, pipes and interceptors. Their promises took a
 * sixth of the gateway's time for a start (docs/performance.md).
 */
export function executeHandler(executions: Executions) {
  return async (request: AuthenticatedRequest, reply: FastifyReply): Promise<JsonObject> => {
    const principal = principalOf(request);
    requireRole(principal, operations.executions.start.role);
    const { headers } = request;
    refusePreconditions(headers);
    const key = headers['idempotency-key'];
    const traceparent = headers['traceparent'];
    void reply.code(202);
    return execute(
      executions,
      {
        principal,
        config: (request.params as { config_id: string }).config_id,
        query: request.query,
        key: Array.isArray(key) ? key.join(', ') : key,
        traceparent: Array.isArray(traceparent) ? traceparent.join(', ') : traceparent,
        body: BODY.transform(request.body as JsonValue | undefined, { type: 'body' }) as ExecuteBody,
      },
      reply,
    );
  };
}

interface ExecuteRequest {
  readonly principal: Principal;
  readonly config: string;
  readonly query: unknown;
  readonly key: string | undefined;
  readonly traceparent: string | undefined;
  readonly body: ExecuteBody;
}

function execute(executions: Executions, request: ExecuteRequest, reply: FastifyReply): Promise<JsonObject> {
  const { principal, config, query, key, traceparent, body } = request;
  const { wait = 0 } = parseQuery(EXECUTION_QUERIES.wait, query);
  return answerStart(
    executions,
    {
      principal,
      config,
      input: body.input,
      idempotencyKey: idempotencyKeyOf(key),
      traceparent: traceparentOf(traceparent),
      ...startOptionsOf(body),
    },
    wait,
    reply,
  );
}

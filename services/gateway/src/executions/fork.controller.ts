import { Body, Controller, Headers, Param, Query, Res } from '@nestjs/common';
import { operations, EXECUTION_QUERIES } from '@batuta/contracts';
import type { JsonObject, Principal } from '@batuta/contracts';
import type { FastifyReply } from 'fastify';
import { Caller } from '../auth/principal.js';
import { checkedBody } from '../dto/checked.js';
import { ForkBody } from '../dto/execute.dto.js';
import { idempotencyKeyOf, traceparentOf } from '../http/headers.js';
import { executionIdOf } from '../http/ids.js';
import { parseQuery } from '../http/query.js';
import { RouteFor } from '../routes/operation-route.js';
import { Executions } from './executions.js';
import { answerStart } from './start-answer.js';
import { limitsOf, sessionIn, startOptionsOf } from './start-options.js';

/** Starts a copy of an execution. */
@Controller()
export class ForkController {
  readonly #executions: Executions;

  constructor(executions: Executions) {
    this.#executions = executions;
  }

  @RouteFor(operations.executions.fork)
  async fork(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() rawQuery: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('traceparent') traceparent: string | undefined,
    @Body(checkedBody(ForkBody)) body: ForkBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    const { wait = 0 } = parseQuery(EXECUTION_QUERIES.wait, rawQuery);
    const by = { executionId: executionIdOf(id) };
    const source = await this.#executions.view(principal.tenantId, by, { payloads: 'start' });
    return answerStart(
      this.#executions,
      {
        principal,
        config: source.configId,
        input: body.input === undefined ? source.input : body.input,
        idempotencyKey: idempotencyKeyOf(key),
        traceparent: traceparentOf(traceparent),
        ...startOptionsOf({
          session_id: body.session_id ?? sessionIn(body.input) ?? source.sessionId,
          metadata: body.metadata ?? source.metadata,
          callback_url: body.callback_url ?? source.callbackUrl,
          start_at: body.start_at,
          priority: body.priority ?? source.priority,
          budget: body.budget ?? limitsOf(source),
          after: body.after,
        }),
        fork: {
          executionId: source.id,
          fromStepId: body.from_step_id,
          configId: source.configId,
          configVersion: source.configVersion,
          edited: body.input !== undefined,
        },
      },
      wait,
      reply,
    );
  }
}

import { Body, Controller, Headers, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { CommandRequest, JsonObject, Principal } from '@batuta/contracts';
import { Caller, Needs } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { Executions } from '../backend/executions.js';
import { checkedBody, emptyBody } from './checked.js';
import { Answers, CommandKey, IdempotencyKey, Queries, Refuses } from './documented.js';
import { CancelBody, ForkBody, PauseBody, ReasonBody } from './dto/execute.dto.js';
import { idempotencyKeyOf, traceparentOf } from './headers.js';
import { commandIdOf, executionIdOf } from './ids.js';
import { leavingOf } from './leaving.js';
import { problemOfRefusal } from './problem.js';
import { parseQuery, waitParameter } from './query.js';
import { startOptionsOf } from './start-options.js';

type Control = Pick<CommandRequest, 'cancel' | 'pause' | 'resume' | 'terminate' | 'skipStep' | 'retry'>;

const FORK = { wait: waitParameter } as const;
const ENDED = ['already_completed', 'already_failed', 'already_cancelled'] as const;
const BODY = ['malformed_json', 'unsupported_media_type'] as const;

const reasonOf = (body: ReasonBody): { reason?: string } => (body.reason == null ? {} : { reason: body.reason });

/** What can be done to an execution that was started. Every answer comes after the commit that it speaks of. */
@ApiTags('Executions')
@ApiBearerAuth()
@Controller('api/v1/orchestrations/executions/:id')
export class ControlController {
  constructor(
    private readonly backend: Backend,
    private readonly executions: Executions,
  ) {}

  @Post('pause')
  @HttpCode(200)
  @Needs('operator')
  @ApiOperation({
    summary: 'Pause an execution',
    description: 'Running steps finish and nothing new starts; with `now`, running attempts are stopped too.',
  })
  @ApiBody({ type: PauseBody, required: false })
  @CommandKey
  @Answers(200, 'Commanded', 'Paused.')
  @Refuses('not_found', ...ENDED, 'already_paused', 'compensating', ...BODY)
  pause(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(checkedBody(PauseBody, { optional: true })) body: PauseBody,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#command(principal, id, key, {
      pause: { ...reasonOf(body), ...(body.now === true ? { now: true } : {}) },
    });
  }

  @Post('resume')
  @HttpCode(200)
  @Needs('operator')
  @ApiOperation({ summary: 'Resume a paused execution', description: 'What fell due meanwhile happens now.' })
  @CommandKey
  @Answers(200, 'Commanded', 'Resumed; the status says what became of it.')
  @Refuses('not_found', ...ENDED, 'not_paused', ...BODY)
  resume(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(emptyBody) _body: undefined,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#command(principal, id, key, { resume: {} });
  }

  @Post('cancel')
  @HttpCode(200)
  @Needs('operator')
  @ApiOperation({
    summary: 'Cancel an execution',
    description:
      'Final when answered: later results are not recorded. With `compensate`, what was completed is undone first.',
  })
  @ApiBody({ type: CancelBody, required: false })
  @CommandKey
  @Answers(200, 'Commanded', 'Cancelled, or being undone (`compensation`).')
  @Refuses('not_found', ...ENDED, 'compensating', ...BODY)
  cancel(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(checkedBody(CancelBody, { optional: true })) body: CancelBody,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#command(principal, id, key, {
      cancel: { ...reasonOf(body), ...(body.compensate === true ? { compensate: true } : {}) },
    });
  }

  @Post('terminate')
  @HttpCode(200)
  @Needs('operator')
  @ApiOperation({
    summary: 'End an execution at once',
    description: 'Nothing is undone, and an undoing that is under way is stopped. The status is `cancelled`.',
  })
  @ApiBody({ type: ReasonBody, required: false })
  @CommandKey
  @Answers(200, 'Commanded', 'Ended.')
  @Refuses('not_found', ...ENDED, ...BODY)
  terminate(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(checkedBody(ReasonBody, { optional: true })) body: ReasonBody,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#command(principal, id, key, { terminate: reasonOf(body) });
  }

  @Post('retry')
  @HttpCode(200)
  @Needs('operator')
  @ApiOperation({
    summary: 'Run a failed or cancelled execution again from its failed steps',
    description: 'Completed steps are kept. The execution goes on under its id, with a new deadline.',
  })
  @CommandKey
  @Answers(200, 'Commanded', 'It runs again.')
  @Refuses('not_found', 'already_completed', 'not_retryable', 'already_compensated', ...BODY)
  retry(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(emptyBody) _body: undefined,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#command(principal, id, key, { retry: {} });
  }

  @Post('steps/:step_id/skip')
  @HttpCode(200)
  @Needs('operator')
  @ApiOperation({
    summary: 'Skip a step',
    description: 'A running attempt is stopped; dependents go on and see null.',
  })
  @CommandKey
  @Answers(200, 'Commanded', 'Skipped.')
  @Refuses('not_found', 'step_not_found', 'step_already_finished', 'not_applicable', ...ENDED, 'compensating', ...BODY)
  skip(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Param('step_id') stepId: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(emptyBody) _body: undefined,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#command(principal, id, key, { skipStep: { stepId } });
  }

  @Post('fork')
  @HttpCode(202)
  @Needs('operator')
  @ApiOperation({
    summary: 'Start a copy of an execution from one of its steps',
    description:
      'With the same config version and, unless given, the same input. Completed steps that do not depend on the step are taken over (`reused`) and do not run again.',
  })
  @Queries(FORK)
  @IdempotencyKey
  @Answers(202, 'Started', 'Started; it runs on.')
  @Answers(200, 'ExecutionResult', 'With `wait`: it has ended.')
  @Refuses(
    'not_found',
    'step_not_found',
    'input_invalid',
    'idempotency_mismatch',
    'too_deep',
    'forbidden_key',
    'payload_too_large',
    ...BODY,
  )
  async fork(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() rawQuery: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('traceparent') traceparent: string | undefined,
    @Body(checkedBody(ForkBody)) body: ForkBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    const { wait = 0 } = parseQuery(FORK, rawQuery);
    const source = await this.executions.view(principal.tenantId, { executionId: executionIdOf(id) });
    const { executionId, accepted, result } = await this.executions.start(
      {
        principal,
        config: source.configId,
        input: body.input === undefined ? source.input : body.input,
        sessionId: body.session_id ?? source.sessionId,
        metadata: body.metadata ?? source.metadata,
        callbackUrl: body.callback_url ?? source.callbackUrl,
        idempotencyKey: idempotencyKeyOf(key),
        traceparent: traceparentOf(traceparent),
        ...startOptionsOf({ start_at: body.start_at, priority: body.priority ?? source.priority }),
        fork: {
          executionId: source.id,
          fromStepId: body.from_step_id,
          configId: source.configId,
          configVersion: source.configVersion,
          edited: body.input !== undefined,
        },
      },
      wait === 0 ? { waitMs: 0 } : { waitMs: wait, client: leavingOf(reply) },
    );
    void reply.header('location', `/api/v1/orchestrations/executions/${executionId}`);
    if (result !== undefined) {
      void reply.code(200);
      return result;
    }
    return {
      execution_id: executionId,
      trace_id: accepted.traceId,
      status: accepted.status,
      ...(accepted.repeated === true ? { repeated: true } : {}),
    };
  }

  async #command(principal: Principal, id: string, key: string | undefined, control: Control): Promise<JsonObject> {
    const executionId = executionIdOf(id);
    const reply = await this.backend.command({
      commandId: commandIdOf(principal.tenantId, idempotencyKeyOf(key), { executionId, ...control } as JsonObject),
      executionId,
      principal,
      ...control,
    });
    if (reply.rejected !== undefined) throw problemOfRefusal(reply.rejected);
    const { accepted } = reply;
    if (accepted === undefined) throw new Error('the engine answered a command with nothing');
    return {
      execution_id: executionId,
      trace_id: accepted.traceId,
      status: accepted.status,
      version: accepted.version,
      ...(accepted.repeated === true ? { repeated: true } : {}),
    };
  }
}

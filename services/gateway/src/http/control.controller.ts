import { integerParameter, textParameter } from '@batuta/contracts';
import { Body, Controller, Headers, Param, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { CommandRequest, JsonObject, JsonValue, Principal } from '@batuta/contracts';
import { Caller } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import type { Checked } from '../backend/config-schemas.js';
import { ConfigSchemas } from '../backend/config-schemas.js';
import { Executions } from '../backend/executions.js';
import { TenantLimitGate } from '../backend/tenant-limits.js';
import { checkedBody } from './checked.js';
import { CommandRoute, DeleteRoute } from './command-route.js';
import { Queries } from './documented.js';
import { CancelBody, DecisionBody, ForkBody, PauseBody, ReasonBody, SignalBody } from './dto/execute.dto.js';
import { idempotencyKeyOf, traceparentOf } from './headers.js';
import { commandIdOf, executionIdOf, signalNameOf, stepIdOf } from './ids.js';
import { problemOfRefusal } from './problem.js';
import { parseQuery } from './query.js';
import { isFinished } from './result.js';
import { answerStart, START_QUERY, StartRoute } from './start-answer.js';
import { limitsOf, sessionIn, startOptionsOf } from './start-options.js';

type Control = Pick<
  CommandRequest,
  | 'cancel'
  | 'pause'
  | 'resume'
  | 'terminate'
  | 'skipStep'
  | 'retry'
  | 'decideApproval'
  | 'signal'
  | 'compensate'
  | 'deleteExecution'
>;

/** What every command says beside what it is to do. */
interface Commander {
  readonly principal: Principal;
  /** The execution's, as in the path. */
  readonly id: string;
  /** Commands take no query parameters. */
  readonly query: unknown;
  /** The header `Idempotency-Key`. */
  readonly key: string | undefined;
}

const DELETE_QUERY = {
  reason: textParameter('Why; it is kept.'),
  if_version: integerParameter('Only while this is its newest version.', 1, 2_147_483_647),
} as const;

const ENDED = ['already_completed', 'already_failed', 'already_cancelled'] as const;

const reasonOf = (body: ReasonBody): { reason?: string } => (body.reason == null ? {} : { reason: body.reason });

const DECISION_REFUSES = [
  'step_not_found',
  'not_awaiting_approval',
  'already_decided',
  'not_an_approver',
  ...ENDED,
  'compensating',
  'payload_too_large',
  'too_deep',
  'forbidden_key',
] as const;

const decisionOf = (stepId: string, approved: boolean, { comment, data }: DecisionBody): Control => ({
  decideApproval: {
    stepId,
    approved,
    ...(comment == null || comment === '' ? {} : { comment }),
    ...(data === undefined ? {} : { data }),
  },
});

/** What can be done to an execution that was started. Every answer comes after the commit that it speaks of. */
@ApiTags('Executions')
@ApiBearerAuth()
@Controller('api/v1/orchestrations/executions/:id')
export class ControlController {
  constructor(
    private readonly backend: Backend,
    private readonly executions: Executions,
    private readonly schemas: ConfigSchemas,
    private readonly limits: TenantLimitGate,
  ) {}

  @CommandRoute('pause', {
    summary: 'Pause an execution',
    description: 'Running steps finish and nothing new starts; with `now`, running attempts are stopped too.',
    body: PauseBody,
    answers: 'Paused.',
    refuses: [...ENDED, 'already_paused', 'compensating'],
  })
  pause(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(checkedBody(PauseBody, { optional: true })) body: PauseBody,
  ): Promise<JsonObject> {
    const pause = { ...reasonOf(body), ...(body.now === true ? { now: true } : {}) };
    return this.#command({ principal, id, query, key }, { pause });
  }

  @CommandRoute('resume', {
    summary: 'Resume a paused execution',
    description: 'What fell due meanwhile happens now.',
    body: ReasonBody,
    answers: 'Resumed; the status says what became of it.',
    refuses: [...ENDED, 'not_paused'],
  })
  resume(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(checkedBody(ReasonBody, { optional: true })) body: ReasonBody,
  ): Promise<JsonObject> {
    return this.#command({ principal, id, query, key }, { resume: reasonOf(body) });
  }

  @CommandRoute('cancel', {
    summary: 'Cancel an execution',
    description:
      'Final when answered: later results are not recorded. With `compensate`, what was completed is undone first.',
    body: CancelBody,
    answers: 'Cancelled, or being undone (`compensation`).',
    refuses: [...ENDED, 'compensating'],
  })
  cancel(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(checkedBody(CancelBody, { optional: true })) body: CancelBody,
  ): Promise<JsonObject> {
    const cancel = { ...reasonOf(body), ...(body.compensate === true ? { compensate: true } : {}) };
    return this.#command({ principal, id, query, key }, { cancel });
  }

  @CommandRoute('terminate', {
    summary: 'End an execution at once',
    description: 'Nothing is undone, and an undoing that is under way is stopped. The status is `cancelled`.',
    body: ReasonBody,
    answers: 'Ended.',
    refuses: ENDED,
  })
  terminate(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(checkedBody(ReasonBody, { optional: true })) body: ReasonBody,
  ): Promise<JsonObject> {
    return this.#command({ principal, id, query, key }, { terminate: reasonOf(body) });
  }

  @CommandRoute('retry', {
    summary: 'Run a failed or cancelled execution again from its failed steps',
    description: 'Completed steps are kept. The execution goes on under its id, with a new deadline.',
    body: ReasonBody,
    answers: 'It runs again.',
    refuses: ['already_completed', 'not_retryable', 'already_compensated', 'limit_reached'],
  })
  retry(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(checkedBody(ReasonBody, { optional: true })) body: ReasonBody,
  ): Promise<JsonObject> {
    return this.#command({ principal, id, query, key }, { retry: reasonOf(body) });
  }

  @CommandRoute('compensate', {
    summary: 'Undo what an ended execution has not undone',
    description:
      'For a failed or cancelled execution: an undoing that had stopped goes on with the step that stopped it. The status is `compensation` meanwhile, then what it was.',
    body: ReasonBody,
    answers: 'Being undone (`compensation`), or the status it came to at once.',
    refuses: ['already_completed', 'not_applicable', 'compensating', 'nothing_to_compensate', 'limit_reached'],
  })
  compensate(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(checkedBody(ReasonBody, { optional: true })) body: ReasonBody,
  ): Promise<JsonObject> {
    return this.#command({ principal, id, query, key }, { compensate: reasonOf(body) });
  }

  @DeleteRoute({
    summary: 'Delete an execution that has ended',
    description:
      'For good: its events, payloads and what was sent of it are removed, and only who deleted it, when and why is left. From then on it is answered with `execution_deleted`, also a start under its idempotency key.',
    answers: 'Deleted. What is stored of it is removed within a minute.',
    refuses: ['not_ended', 'version_conflict'],
  })
  @Queries(DELETE_QUERY)
  delete(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() raw: unknown,
    @Headers('idempotency-key') key: string | undefined,
  ): Promise<JsonObject> {
    const { reason, if_version: ifVersion } = parseQuery(DELETE_QUERY, raw);
    const deleteExecution = {
      ...(reason === undefined ? {} : { reason }),
      ...(ifVersion === undefined ? {} : { ifVersion }),
    };
    return this.#command({ principal, id, query: {}, key }, { deleteExecution });
  }

  @CommandRoute('steps/:step_id/skip', {
    summary: 'Skip a step',
    description:
      'A running attempt is stopped; dependents go on and see null. Who is none of its approvers cannot skip an approval, nor what decides whether it is asked for.',
    body: ReasonBody,
    answers: 'Skipped.',
    refuses: ['step_not_found', 'step_already_finished', 'not_applicable', 'not_an_approver', ...ENDED, 'compensating'],
  })
  skip(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Param('step_id') stepId: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(checkedBody(ReasonBody, { optional: true })) body: ReasonBody,
  ): Promise<JsonObject> {
    return this.#command({ principal, id, query, key }, { skipStep: { stepId: stepIdOf(stepId), ...reasonOf(body) } });
  }

  @CommandRoute('steps/:step_id/approve', {
    summary: 'Approve a step that waits for a human',
    description:
      'The step completes; `comment` and `data` are part of its output, and `data` must fit the schema of the approval. Also while the execution is paused: what follows then waits for the resume.',
    body: DecisionBody,
    answers: 'Approved.',
    refuses: [...DECISION_REFUSES, 'input_invalid'],
  })
  async approve(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Param('step_id') stepId: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(checkedBody(DecisionBody, { optional: true })) body: DecisionBody,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    idempotencyKeyOf(key);
    const step = stepIdOf(stepId);
    await this.#fits(principal, id, body.data, (checked) => this.schemas.checkDecision(step, checked));
    return this.#command({ principal, id, query, key }, decisionOf(step, true, body));
  }

  @CommandRoute('steps/:step_id/reject', {
    summary: 'Reject a step that waits for a human',
    description: 'The step fails with `approval_rejected`; its `on_failure` says what follows.',
    body: DecisionBody,
    answers: 'Rejected.',
    refuses: DECISION_REFUSES,
  })
  reject(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Param('step_id') stepId: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(checkedBody(DecisionBody, { optional: true })) body: DecisionBody,
  ): Promise<JsonObject> {
    return this.#command({ principal, id, query, key }, decisionOf(stepIdOf(stepId), false, body));
  }

  @CommandRoute('signals/:name', {
    summary: 'Send a signal that a step waits for',
    description:
      'The first step in the list that waits for it takes it, and its payload is the output of that step. One that comes before a step waits is kept for it. Also while the execution is paused: what follows then waits for the resume.',
    body: SignalBody,
    answers: 'Received.',
    refuses: [
      'signal_not_found',
      'not_awaiting_signal',
      ...ENDED,
      'compensating',
      'input_invalid',
      'payload_too_large',
      'too_deep',
      'forbidden_key',
    ],
  })
  async signal(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Param('name') rawName: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(checkedBody(SignalBody, { optional: true })) { payload }: SignalBody,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    idempotencyKeyOf(key);
    const name = signalNameOf(rawName);
    await this.#fits(principal, id, payload, (checked) => this.schemas.checkSignal(name, checked));
    const signal = { name, ...(payload === undefined ? {} : { payload }) };
    return this.#command({ principal, id, query, key }, { signal });
  }

  @StartRoute('fork', {
    operationId: 'executions.fork',
    summary: 'Start a copy of an execution from one of its steps',
    description:
      'With the same config version and, unless given, the same input. Completed steps that do not depend on the step are taken over (`reused`) and do not run again; an approval only where the same is asked, else a human is asked again.',
    refuses: [
      'not_found',
      'execution_deleted',
      'step_not_found',
      'input_invalid',
      'idempotency_mismatch',
      'too_deep',
      'forbidden_key',
      'payload_too_large',
      'malformed_json',
      'unsupported_media_type',
    ],
  })
  async fork(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() rawQuery: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('traceparent') traceparent: string | undefined,
    @Body(checkedBody(ForkBody)) body: ForkBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    const { wait = 0 } = parseQuery(START_QUERY, rawQuery);
    const by = { executionId: executionIdOf(id) };
    const source = await this.executions.view(principal.tenantId, by, { payloads: 'start' });
    return answerStart(
      this.executions,
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

  /** Holds what was sent to the config of the execution. What has ended takes nothing, whether it fits or not: the engine says so. */
  async #fits(
    { tenantId }: Principal,
    id: string,
    value: JsonValue | undefined,
    check: (checked: Checked) => Promise<void>,
  ): Promise<void> {
    const executionId = executionIdOf(id);
    const view = await this.executions.view(tenantId, { executionId }, { payloads: 'start' });
    if (isFinished(view.status)) return;
    await check({ tenantId, configId: view.configId, version: view.configVersion, value: value ?? null });
  }

  async #command({ principal, id, query, key }: Commander, control: Control): Promise<JsonObject> {
    parseQuery({}, query);
    const executionId = executionIdOf(id);
    // Who says something is part of it: the same words of another user are not a repeat of it.
    const said = control.decideApproval ?? control.signal;
    const sayer = said === undefined ? {} : { by: principal.userId };
    const command = { executionId, ...control, ...sayer } as JsonObject;
    const [[kind, to] = []] = Object.entries(control) as [
      string,
      { stepId?: string; name?: string; approved?: boolean },
    ][];
    const route = [executionId, kind ?? '', to?.stepId ?? to?.name ?? null, to?.approved ?? null];
    const { tenantId } = principal;
    const commandId = commandIdOf(tenantId, idempotencyKeyOf(key), { route, request: command });
    const begins = control.retry !== undefined || control.compensate !== undefined;
    if (begins && this.limits.limitsStarts(tenantId)) {
      await this.limits.admit({ tenantId, commandId, executionId, start: false });
    }
    const reply = await this.backend.command({
      commandId,
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

import { Body, Controller, Headers, Param, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { CommandRequest, JsonObject, JsonValue, Principal } from '@batuta/contracts';
import { Caller } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import type { Checked } from './config-schemas.js';
import { ConfigSchemas } from './config-schemas.js';
import { Executions } from './executions.js';
import { TenantLimitGate } from '../backend/tenant-limits.js';
import { checkedBody } from '../dto/checked.js';
import { CancelBody, DecisionBody, ForkBody, PauseBody, ReasonBody, SignalBody } from '../dto/execute.dto.js';
import { idempotencyKeyOf, traceparentOf } from '../http/headers.js';
import { commandIdOf, decidedIdOf, executionIdOf, signalNameOf, stepIdOf } from '../http/ids.js';
import { problemOfRefusal } from '../http/problem.js';
import { parseQuery } from '../http/query.js';
import { isFinished } from './result.js';
import { answerStart } from './start-answer.js';
import { limitsOf, sessionIn, startOptionsOf } from './start-options.js';
import { RouteFor } from '../routes/operation-route.js';
import { operations, EXECUTION_QUERIES } from '@batuta/contracts';

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
  | 'restore'
>;

/** What every command has in addition to its own fields. */
interface Commander {
  readonly principal: Principal;
  /** The execution's id from the path. */
  readonly id: string;
  /** Commands take no query parameters. */
  readonly query: unknown;
  /** The header `Idempotency-Key`. */
  readonly key: string | undefined;
}

const reasonOf = (body: ReasonBody): { reason?: string } => (body.reason == null ? {} : { reason: body.reason });

const decisionOf = (stepId: string, approved: boolean, { comment, data }: DecisionBody): Control => ({
  decideApproval: {
    stepId,
    approved,
    ...(comment == null || comment === '' ? {} : { comment }),
    ...(data === undefined ? {} : { data }),
  },
});

/** Commands to an execution that was started. Every answer comes after the commit of the command. */
@Controller()
export class ControlController {
  readonly #backend: Backend;
  readonly #executions: Executions;
  readonly #schemas: ConfigSchemas;
  readonly #limits: TenantLimitGate;

  constructor(backend: Backend, executions: Executions, schemas: ConfigSchemas, limits: TenantLimitGate) {
    this.#backend = backend;
    this.#executions = executions;
    this.#schemas = schemas;
    this.#limits = limits;
  }

  @RouteFor(operations.executions.pause)
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

  @RouteFor(operations.executions.resume)
  resume(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(checkedBody(ReasonBody, { optional: true })) body: ReasonBody,
  ): Promise<JsonObject> {
    return this.#command({ principal, id, query, key }, { resume: reasonOf(body) });
  }

  @RouteFor(operations.executions.cancel)
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

  @RouteFor(operations.executions.terminate)
  terminate(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(checkedBody(ReasonBody, { optional: true })) body: ReasonBody,
  ): Promise<JsonObject> {
    return this.#command({ principal, id, query, key }, { terminate: reasonOf(body) });
  }

  @RouteFor(operations.executions.retry)
  retry(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(checkedBody(ReasonBody, { optional: true })) body: ReasonBody,
  ): Promise<JsonObject> {
    return this.#command({ principal, id, query, key }, { retry: reasonOf(body) });
  }

  @RouteFor(operations.executions.compensate)
  compensate(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(checkedBody(ReasonBody, { optional: true })) body: ReasonBody,
  ): Promise<JsonObject> {
    return this.#command({ principal, id, query, key }, { compensate: reasonOf(body) });
  }

  @RouteFor(operations.executions.delete)
  delete(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() raw: unknown,
    @Headers('idempotency-key') key: string | undefined,
  ): Promise<JsonObject> {
    const { reason, if_version: ifVersion } = parseQuery(EXECUTION_QUERIES.remove, raw);
    const deleteExecution = {
      ...(reason === undefined ? {} : { reason }),
      ...(ifVersion === undefined ? {} : { ifVersion }),
    };
    return this.#command({ principal, id, query: {}, key }, { deleteExecution });
  }

  @RouteFor(operations.executions.restore)
  restore(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(checkedBody(ReasonBody, { optional: true })) body: ReasonBody,
  ): Promise<JsonObject> {
    return this.#command({ principal, id, query, key }, { restore: reasonOf(body) });
  }

  @RouteFor(operations.executions.skip)
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

  @RouteFor(operations.executions.approve)
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
    const step = decidedIdOf(stepId);
    // A question about a call of a tool has no form. It may be one of an agent, whose config only the engine has.
    if (!step.includes(':')) {
      await this.#fits(principal, id, body.data, (checked) => this.#schemas.checkDecision(step, checked));
    }
    return this.#command({ principal, id, query, key }, decisionOf(step, true, body));
  }

  @RouteFor(operations.executions.reject)
  reject(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Param('step_id') stepId: string,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Body(checkedBody(DecisionBody, { optional: true })) body: DecisionBody,
  ): Promise<JsonObject> {
    return this.#command({ principal, id, query, key }, decisionOf(decidedIdOf(stepId), false, body));
  }

  @RouteFor(operations.executions.signal)
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
    await this.#fits(principal, id, payload, (checked) => this.#schemas.checkSignal(name, checked));
    const signal = { name, ...(payload === undefined ? {} : { payload }) };
    return this.#command({ principal, id, query, key }, { signal });
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

  /**
   * Checks the payload against the config of the execution. When the execution has ended, it is not checked: the engine
   * refuses the command anyway.
   */
  async #fits(
    { tenantId }: Principal,
    id: string,
    value: JsonValue | undefined,
    check: (checked: Checked) => Promise<void>,
  ): Promise<void> {
    const executionId = executionIdOf(id);
    const view = await this.#executions.view(tenantId, { executionId }, { payloads: 'listed' });
    if (isFinished(view.status)) return;
    await check({ tenantId, configId: view.configId, version: view.configVersion, value: value ?? null });
  }

  async #command({ principal, id, query, key }: Commander, control: Control): Promise<JsonObject> {
    parseQuery({}, query);
    const executionId = executionIdOf(id);
    // The user is part of the command: the same words of another user are not a repeat.
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
    if (begins && this.#limits.limitsStarts(tenantId)) {
      await this.#limits.admit({ tenantId, commandId, executionId, start: false });
    }
    const reply = await this.#backend.command({
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

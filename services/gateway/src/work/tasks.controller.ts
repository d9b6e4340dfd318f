import { Body, Controller, Headers, Param, Query, Res } from '@nestjs/common';
import {
  ChildViewSchema,
  ExecutionViewSchema,
  StepAttemptSchema,
  isoTime,
  operations,
  TASK_PRIORITIES,
  WORK_QUERIES,
  toUserJson,
} from '@batuta/contracts';
import type { ExecutionView, GetStepReply, JsonObject, JsonValue, Principal } from '@batuta/contracts';
import type { FastifyReply } from 'fastify';
import { Caller } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { TenantLimitGate } from '../backend/tenant-limits.js';
import { checkedBody, objectBody } from '../dto/checked.js';
import { ReasonBody } from '../dto/execute.dto.js';
import { ExecutionStarter } from '../executions/execution-starter.js';
import { Executions } from '../executions/executions.js';
import { idempotencyKeyOf, traceparentOf } from '../http/headers.js';
import { executionIdOfKey, uuidV7 } from '../http/ids.js';
import { Problem, accepted } from '../http/problem.js';
import { parseQuery } from '../http/query.js';
import { admittedHeaders } from '../http/rate-limit.js';
import { shownCursor } from '../http/shown.js';
import { RouteFor } from '../routes/operation-route.js';
import { queueOf, rescheduleIn, taskIn } from './bodies.js';
import { reasonOf } from '../executions/reason.js';
import { workStatusOf } from './shown-runs.js';
import { Work } from './work.js';

/** Executions of tasks have this session, so that a list finds them by its index. */
const SESSION = 'batuta:tasks';
const REASON = checkedBody(ReasonBody, { optional: true });
const STEP = 'task';

/** Tasks: executions of one step, each under an id that its sender gives. */
@Controller()
export class TasksController {
  readonly #backend: Backend;
  readonly #starter: ExecutionStarter;
  readonly #work: Work;

  constructor(backend: Backend, executions: Executions, limits: TenantLimitGate, starter: ExecutionStarter) {
    this.#backend = backend;
    this.#starter = starter;
    this.#work = new Work(backend, executions, limits);
  }

  @RouteFor(operations.tasks.create)
  async create(
    @Caller() principal: Principal,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Headers('idempotency-key') header: string | undefined,
    @Headers('traceparent') traceparent: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const key = idempotencyKeyOf(header);
    const { taskId = key ?? uuidV7(), step, scheduledAt, priority } = taskIn(body);
    const request = {
      principal,
      config: await this.#work.configOfTask(principal, step),
      input: step.config ?? {},
      sessionId: SESSION,
      metadata: { task_id: taskId, type: step.type, priority },
      priority: queueOf(priority),
      startAt: scheduledAt,
      idempotencyKey: keyOf(taskId),
      traceparent: traceparentOf(traceparent),
    };
    const executionId = executionOf(principal, taskId);
    const started = await this.#starter.start(executionId, request).catch((error: unknown) => {
      throw key !== taskId && error instanceof Problem && error.code === 'idempotency_mismatch'
        ? new Problem(error.code, `There is a task "${taskId}" already, with other data. Choose another task_id.`)
        : error;
    });
    if (started.admitted !== undefined) void reply.headers(admittedHeaders(started.admitted));
    void reply.header('location', pathOf(taskId));
    // The body is the task's input, also when it is repeated: another one would have been refused.
    const shown = await this.#task(principal, taskId, request.input);
    return started.repeated === true ? { ...shown, repeated: true } : shown;
  }

  @RouteFor(operations.tasks.list)
  async list(@Caller() principal: Principal, @Query() raw: unknown): Promise<JsonObject> {
    const { limit, cursor } = parseQuery(WORK_QUERIES.list, raw);
    const by = { sessionId: SESSION, limit, cursor };
    // What a task runs has its session too, when it is an execution itself.
    const isTask = ({ configName }: { readonly configName: string }): boolean => configName.startsWith('task:');
    const { views, nextCursor } = await this.#work.page(principal, by, isTask);
    return { tasks: views.map((view) => shownTask(view)), next_cursor: shownCursor(nextCursor) };
  }

  @RouteFor(operations.tasks.get)
  async get(
    @Caller() principal: Principal,
    @Param('task_id') taskId: string,
    @Query() query: unknown,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#task(principal, taskId);
  }

  @RouteFor(operations.tasks.reschedule)
  async reschedule(
    @Caller() principal: Principal,
    @Param('task_id') taskId: string,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Headers('idempotency-key') header: string | undefined,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const reschedule = rescheduleIn(body);
    return this.#control(principal, taskId, { reschedule }, header);
  }

  @RouteFor(operations.tasks.cancel)
  async cancel(
    @Caller() principal: Principal,
    @Param('task_id') taskId: string,
    @Body(REASON) body: ReasonBody,
    @Query() query: unknown,
    @Headers('idempotency-key') header: string | undefined,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#control(principal, taskId, { cancel: reasonOf(body) }, header);
  }

  async #control(
    principal: Principal,
    taskId: string,
    control: Parameters<Work['command']>[2],
    header: string | undefined,
  ): Promise<JsonObject> {
    const id = executionOf(principal, taskId);
    // An execution that is not there is called a task here.
    if ((await this.#work.view(principal, id, 'listed')) === undefined) throw noSuchTask();
    const repeated = await this.#work.command(principal, id, control, idempotencyKeyOf(header));
    const shown = await this.#task(principal, taskId);
    return repeated ? { ...shown, repeated } : shown;
  }

  /** `input`: the task's input, if it is known. Then large payloads are not read, and a large output is left out. */
  async #task(principal: Principal, taskId: string, input?: JsonObject): Promise<JsonObject> {
    const executionId = executionOf(principal, taskId);
    const read = await this.#work.view(principal, executionId, input === undefined ? undefined : 'listed');
    if (read === undefined) throw noSuchTask();
    const view = input === undefined ? read : { ...read, input };
    const { tenantId } = principal;
    const asked = { tenantId, executionId, stepId: STEP, attemptsOnly: true };
    const reply = accepted(await this.#backend.ask<GetStepReply>(operations.executions.step.subject, asked));
    const { attempts = [], step } = reply;
    // A config is not attempted: the attempts are those of the steps of its execution.
    const runs =
      step?.agentId === ''
        ? step.child && { child: toUserJson(ChildViewSchema, step.child) }
        : { attempts: attempts.map((each) => toUserJson(StepAttemptSchema, each)) };
    return { ...shownTask(view), ...runs };
  }
}

const noSuchTask = (): Problem => new Problem('not_found', 'There is no such task.');
const pathOf = (taskId: string): string => `/api/v1/tasks/${encodeURIComponent(taskId)}`;
const keyOf = (taskId: string): string => `task ${taskId}`;
const executionOf = ({ tenantId }: Principal, taskId: string): string => executionIdOfKey(tenantId, keyOf(taskId));

function shownTask(view: ExecutionView): JsonObject {
  const { metadata = {}, startAt } = view;
  const shown = toUserJson(ExecutionViewSchema, view);
  const { type, priority, task_id: taskId } = metadata;
  const whole = { href: pathOf(typeof taskId === 'string' ? taskId : view.id) };
  return {
    task_id: taskId ?? view.id,
    execution_id: view.id,
    task_data: { ...(view.input as JsonObject | undefined), type: type ?? '' },
    // Every task has an input.
    ...(view.input === undefined ? { task_data_omitted: whole } : {}),
    status: workStatusOf(view.status),
    execution_status: view.status,
    priority: priority ?? TASK_PRIORITIES.usual,
    queue: view.priority,
    scheduled_time: startAt === undefined ? null : isoTime(startAt),
    created_at: shown['created_at'] ?? null,
    started_at: shown['started_at'] ?? null,
    completed_at: shown['completed_at'] ?? null,
    output: shown['output'] ?? null,
    ...(view.outputOmitted === undefined ? {} : { output_omitted: { ...view.outputOmitted, ...whole } }),
    failure: shown['failure'] ?? null,
  };
}

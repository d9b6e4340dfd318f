import { Body, Controller, Headers, Param, Query, Res } from '@nestjs/common';
import { operations } from '@batuta/contracts';
import type { Idempotency, JsonObject, JsonValue, Preconditions, Principal } from '@batuta/contracts';
import type { FastifyReply } from 'fastify';
import { Caller } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { TenantLimitGate } from '../backend/tenant-limits.js';
import { checkedBody, objectBody } from '../dto/checked.js';
import { ReasonBody } from '../dto/execute.dto.js';
import { ExecutionStarter } from '../executions/execution-starter.js';
import { Executions } from '../executions/executions.js';
import { idempotencyKeyOf, traceparentOf } from '../http/headers.js';
import { Conditions } from '../http/preconditions.js';
import { Problem } from '../http/problem.js';
import { parseQuery } from '../http/query.js';
import { Once } from '../routes/idempotency.js';
import { RouteFor } from '../routes/operation-route.js';
import { workflowIn, runIn } from './bodies.js';
import { KeptRoutes } from './kept-routes.js';
import { reasonOf } from '../executions/reason.js';
import { shownTasks } from './steps.js';
import { Work } from './work.js';

const REASON = checkedBody(ReasonBody, { optional: true });

/** Workflows: configs whose steps are tasks, one after the other, and executions of them. */
@Controller()
export class WorkflowsController {
  readonly #starter: ExecutionStarter;
  readonly #work: Work;
  readonly #routes: KeptRoutes;

  constructor(backend: Backend, executions: Executions, limits: TenantLimitGate, starter: ExecutionStarter) {
    this.#starter = starter;
    this.#work = new Work(backend, executions, limits);
    this.#routes = new KeptRoutes(this.#work, {
      keptFor: 'workflow',
      plural: 'workflows',
      entries: 'tasks',
      idOf: ({ config }) => config.id,
      read: workflowIn,
      shown: ({ config, name }) => ({ id: config.id, name, tasks: shownTasks(config.definition) }),
    });
  }

  @RouteFor(operations.workflows.create)
  create(
    @Caller() principal: Principal,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Once() idempotency: Idempotency | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    return this.#routes.create(principal, body, query, idempotency, reply);
  }

  @RouteFor(operations.workflows.list)
  list(@Caller() principal: Principal, @Query() raw: unknown): Promise<JsonObject> {
    return this.#routes.list(principal, raw);
  }

  @RouteFor(operations.workflows.get)
  get(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    return this.#routes.get(principal, id, query, reply);
  }

  @RouteFor(operations.workflows.update)
  update(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    return this.#routes.update(principal, id, body, query, preconditions, reply);
  }

  @RouteFor(operations.workflows.delete)
  remove(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
  ): Promise<JsonObject> {
    return this.#routes.remove(principal, id, query, preconditions);
  }

  @RouteFor(operations.workflows.start)
  async start(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Body() body: JsonValue | undefined,
    @Query() query: unknown,
    @Headers('idempotency-key') header: string | undefined,
    @Headers('traceparent') traceparent: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const run = runIn(body);
    const kept = await this.#routes.find(principal, id);
    const { config, name } = kept;
    const key = idempotencyKeyOf(header);
    const request = {
      principal,
      config: config.id,
      ...run,
      metadata: { workflow: name },
      idempotencyKey: key === undefined ? undefined : `workflow ${config.id} ${key}`,
      traceparent: traceparentOf(traceparent),
    };
    const executionId = this.#starter.executionId(request);
    const accepted = await this.#starter.start(executionId, request);
    return this.#routes.started(principal, kept, { executionId, accepted }, reply);
  }

  @RouteFor(operations.workflows.pause)
  pause(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Body(REASON) body: ReasonBody,
    @Query() query: unknown,
    @Headers('idempotency-key') header: string | undefined,
  ): Promise<JsonObject> {
    return this.#control({ principal, id, query, header }, { pause: reasonOf(body) });
  }

  @RouteFor(operations.workflows.resume)
  resume(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Body(REASON) body: ReasonBody,
    @Query() query: unknown,
    @Headers('idempotency-key') header: string | undefined,
  ): Promise<JsonObject> {
    return this.#control({ principal, id, query, header }, { resume: reasonOf(body) });
  }

  @RouteFor(operations.workflows.runs)
  runs(@Caller() principal: Principal, @Param('id') id: string, @Query() raw: unknown): Promise<JsonObject> {
    return this.#routes.runs(principal, id, raw);
  }

  @RouteFor(operations.workflows.run)
  run(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Param('run_id') run: string,
    @Query() query: unknown,
  ): Promise<JsonObject> {
    return this.#routes.run(principal, id, run, query);
  }

  async #control(
    asked: { principal: Principal; id: string; query: unknown; header: string | undefined },
    control: Parameters<Work['command']>[2],
  ): Promise<JsonObject> {
    const { principal, id, query, header } = asked;
    parseQuery({}, query);
    const kept = await this.#routes.find(principal, id);
    const newest = await this.#routes.newestRun(principal, kept);
    if (newest === undefined) throw new Problem('not_running', 'The workflow has no run.');
    const isOver = ['completed', 'failed', 'cancelled'].includes(newest.status);
    // A repeat under a key is answered by the engine, whatever has become of the run.
    if (isOver && header === undefined) throw new Problem('not_running', 'The newest run of the workflow has ended.');
    return this.#routes.command(principal, kept, newest.id, control, idempotencyKeyOf(header));
  }
}

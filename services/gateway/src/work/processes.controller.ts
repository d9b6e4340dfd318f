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
import { processIn, runIn } from './bodies.js';
import { KeptRoutes } from './kept-routes.js';
import { reasonOf } from '../executions/reason.js';
import { shownSteps } from './steps.js';
import { Work, startedUnder } from './work.js';

const REASON = checkedBody(ReasonBody, { optional: true });

/** Processes: configs whose steps are workflows and tasks, and executions of them that wait for those of other processes. */
@Controller()
export class ProcessesController {
  readonly #starter: ExecutionStarter;
  readonly #work: Work;
  readonly #routes: KeptRoutes;

  constructor(backend: Backend, executions: Executions, limits: TenantLimitGate, starter: ExecutionStarter) {
    this.#starter = starter;
    this.#work = new Work(backend, executions, limits);
    this.#routes = new KeptRoutes(this.#work, {
      keptFor: 'process',
      plural: 'processes',
      entries: 'steps',
      idOf: ({ name }) => name,
      read: processIn,
      shown: ({ config, name, mark }) => ({
        id: name,
        config_id: config.id,
        steps: shownSteps(config.definition, mark),
        after: mark.after.map(({ process, on }) => ({ process, on })),
      }),
    });
  }

  @RouteFor(operations.processes.create)
  create(
    @Caller() principal: Principal,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Once() idempotency: Idempotency | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    return this.#routes.create(principal, body, query, idempotency, reply);
  }

  @RouteFor(operations.processes.list)
  list(@Caller() principal: Principal, @Query() raw: unknown): Promise<JsonObject> {
    return this.#routes.list(principal, raw);
  }

  @RouteFor(operations.processes.get)
  get(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    return this.#routes.get(principal, id, query, reply);
  }

  @RouteFor(operations.processes.update)
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

  @RouteFor(operations.processes.delete)
  remove(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
  ): Promise<JsonObject> {
    return this.#routes.remove(principal, id, query, preconditions);
  }

  @RouteFor(operations.processes.start)
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
    const { executionId, isFirst, waiters } = await this.#work.nextRun(principal, kept, key);
    const after = await this.#work.dependenciesOf(principal, kept);
    if (isFirst) await this.#work.requireProgress(principal, executionId, after);
    const request = {
      principal,
      config: config.id,
      ...run,
      after,
      waiters,
      metadata: { process: name, ...(key === undefined ? {} : { started_under: startedUnder(key) }) },
      idempotencyKey: key === undefined ? undefined : `process ${config.id} ${key}`,
      traceparent: traceparentOf(traceparent),
    };
    const accepted = await this.#starter.start(executionId, request);
    return this.#routes.started(principal, kept, { executionId, accepted }, reply);
  }

  @RouteFor(operations.processes.retry)
  retry(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Body(REASON) body: ReasonBody,
    @Query() query: unknown,
    @Headers('idempotency-key') header: string | undefined,
  ): Promise<JsonObject> {
    return this.#control({ principal, id, query, header }, { retry: reasonOf(body) });
  }

  @RouteFor(operations.processes.cancel)
  cancel(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Body(REASON) body: ReasonBody,
    @Query() query: unknown,
    @Headers('idempotency-key') header: string | undefined,
  ): Promise<JsonObject> {
    return this.#control({ principal, id, query, header }, { cancel: reasonOf(body) });
  }

  @RouteFor(operations.processes.runs)
  runs(@Caller() principal: Principal, @Param('id') id: string, @Query() raw: unknown): Promise<JsonObject> {
    return this.#routes.runs(principal, id, raw);
  }

  @RouteFor(operations.processes.run)
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
    if (newest === undefined) throw new Problem('not_found', 'The process has no run.');
    return this.#routes.command(principal, kept, newest.id, control, idempotencyKeyOf(header));
  }
}

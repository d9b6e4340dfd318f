import { Body, Controller, Headers, Param, Query, Res } from '@nestjs/common';
import { isoTime, operations, PROCESS_QUERIES } from '@batuta/contracts';
import type { Idempotency, JsonObject, JsonValue, Preconditions, Principal } from '@batuta/contracts';
import type { FastifyReply } from 'fastify';
import { Caller } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { TenantLimitGate } from '../backend/tenant-limits.js';
import { checkedBody, objectBody } from '../dto/checked.js';
import { ReasonBody } from '../dto/execute.dto.js';
import { ExecutionStarter } from '../executions/execution-starter.js';
import { Executions } from '../executions/executions.js';
import { createdAt, idempotencyKeyOf, tagged, traceparentOf } from '../http/headers.js';
import { executionIdOf } from '../http/ids.js';
import { Conditions } from '../http/preconditions.js';
import { Problem } from '../http/problem.js';
import { parseQuery } from '../http/query.js';
import { admittedHeaders } from '../http/rate-limit.js';
import { shownCursor } from '../http/shown.js';
import { Once } from '../routes/idempotency.js';
import { RouteFor } from '../routes/operation-route.js';
import { processIn, runIn } from './bodies.js';
import { reasonOf } from './reason.js';
import { shownRun, workStatusOf } from './shown-runs.js';
import { shownSteps } from './steps.js';
import { Work, startedUnder } from './work.js';
import type { Kept } from './work.js';

const REASON = checkedBody(ReasonBody, { optional: true });
const ONE = '/api/v1/processes';

/** Processes: configs whose steps are workflows and tasks, and executions of them that wait for those of other processes. */
@Controller()
export class ProcessesController {
  readonly #work: Work;

  constructor(
    backend: Backend,
    executions: Executions,
    limits: TenantLimitGate,
    private readonly starter: ExecutionStarter,
  ) {
    this.#work = new Work(backend, executions, limits);
  }

  @RouteFor(operations.processes.create)
  async create(
    @Caller() principal: Principal,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Once() idempotency: Idempotency | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const { kept, repeated } = await this.#work.create(principal, 'process', processIn(body), idempotency);
    createdAt(reply, `${ONE}/${kept.name}`);
    const shown = await this.#shown(principal, kept);
    return tagged(reply, kept.etag, repeated ? { ...shown, repeated } : shown);
  }

  @RouteFor(operations.processes.list)
  async list(@Caller() principal: Principal, @Query() raw: unknown): Promise<JsonObject> {
    const { limit, cursor } = parseQuery(PROCESS_QUERIES.list, raw);
    const { kept, nextCursor } = await this.#work.list(principal, 'process', { limit, cursor });
    const processes = await Promise.all(kept.map((each) => this.#shown(principal, each)));
    return { processes, next_cursor: shownCursor(nextCursor) };
  }

  @RouteFor(operations.processes.get)
  async get(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const kept = await this.#work.find(principal, 'process', id);
    return tagged(reply, kept.etag, await this.#shown(principal, kept));
  }

  @RouteFor(operations.processes.update)
  async update(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const kept = await this.#work.update(principal, 'process', id, processIn(body), preconditions);
    return tagged(reply, kept.etag, await this.#shown(principal, kept));
  }

  @RouteFor(operations.processes.delete)
  async remove(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#shown(principal, await this.#work.remove(principal, 'process', id, preconditions));
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
    const kept = await this.#work.find(principal, 'process', id);
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
    const accepted = await this.starter.start(executionId, request);
    if (accepted.admitted !== undefined) void reply.headers(admittedHeaders(accepted.admitted));
    void reply.header('location', `${ONE}/${name}/runs/${executionId}`);
    const shown = await this.#run(principal, config.id, executionId);
    return accepted.repeated === true ? { ...shown, repeated: true } : shown;
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
  async runs(@Caller() principal: Principal, @Param('id') id: string, @Query() raw: unknown): Promise<JsonObject> {
    const { limit, cursor } = parseQuery(PROCESS_QUERIES.list, raw);
    const { config } = await this.#work.find(principal, 'process', id);
    const { views, nextCursor } = await this.#work.page(principal, { configId: config.id, limit, cursor });
    const path = `${ONE}/${encodeURIComponent(id)}/runs`;
    return { runs: views.map((view) => shownRun(view, 'steps', path)), next_cursor: shownCursor(nextCursor) };
  }

  @RouteFor(operations.processes.run)
  async run(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Param('run_id') run: string,
    @Query() query: unknown,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const { config } = await this.#work.find(principal, 'process', id);
    return this.#run(principal, config.id, executionIdOf(run));
  }

  async #control(
    asked: { principal: Principal; id: string; query: unknown; header: string | undefined },
    control: Parameters<Work['command']>[2],
  ): Promise<JsonObject> {
    const { principal, id, query, header } = asked;
    parseQuery({}, query);
    const { config } = await this.#work.find(principal, 'process', id);
    const newest = (await this.#work.runs(principal, { configId: config.id, limit: 1 })).executions[0];
    if (newest === undefined) throw new Problem('not_found', 'The process has no run.');
    const repeated = await this.#work.command(principal, newest.id, control, idempotencyKeyOf(header));
    const shown = await this.#run(principal, config.id, newest.id);
    return repeated ? { ...shown, repeated } : shown;
  }

  async #run(principal: Principal, configId: string, executionId: string): Promise<JsonObject> {
    const view = await this.#work.view(principal, executionId);
    if (view?.configId !== configId) throw new Problem('not_found', 'The process has no such run.');
    return shownRun(view, 'steps');
  }

  async #shown(principal: Principal, { config, name, mark }: Kept): Promise<JsonObject> {
    const newest = (await this.#work.runs(principal, { configId: config.id, limit: 1 })).executions[0];
    return {
      id: name,
      config_id: config.id,
      steps: shownSteps(config.definition, mark),
      after: mark.after.map(({ process, on }) => ({ process, on })),
      config: { continue_on_error: mark.continue_on_error },
      status: newest === undefined ? 'PENDING' : workStatusOf(newest.status),
      version: config.version,
      created_by: config.ownerId,
      created_at: isoTime(config.createdAt),
      updated_at: isoTime(config.updatedAt),
      last_run:
        newest === undefined
          ? null
          : { id: newest.id, status: workStatusOf(newest.status), created_at: isoTime(newest.createdAt) },
    };
  }
}

import { Readable } from 'node:stream';
import { Controller, Param, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import {
  ApprovalSummarySchema,
  ExecutionIntegritySchema,
  ExecutionSummarySchema,
  ExecutionViewSchema,
  encodeCursor,
  eventToUserJson,
  toUserJson,
  operations,
  EXECUTION_QUERIES,
} from '@batuta/contracts';
import type {
  ExportExecutionReply,
  VerifyExecutionReply,
  JsonObject,
  ListApprovalsReply,
  ListEventsReply,
  ListExecutionsReply,
  Principal,
} from '@batuta/contracts';
import { Caller } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { Executions } from './executions.js';
import { linkedEvent } from './payloads.js';
import { leavingOf } from '../http/leaving.js';
import { executionIdOf, isTraceId, isUuid, stepIdOf } from '../http/ids.js';
import { countsOf, offsetOf } from '../http/offset.js';
import { accepted, Problem } from '../http/problem.js';
import { parseQuery, versionOf } from '../http/query.js';
import { statusOfView } from './result.js';
import { shownCursor } from '../http/shown.js';
import { TraceLinks } from './trace-links.js';
import { RouteFor } from '../routes/operation-route.js';

const NEWEST_VERSION = 2_147_483_647;

/** The value of a list's parameter as an id or a name of a config. */
function configOf(config: string | undefined): { configId?: string; configName?: string } {
  if (config === undefined) return {};
  const id = config.toLowerCase();
  return isUuid(id) ? { configId: id } : { configName: config };
}

@Controller()
export class ExecutionsController {
  readonly #backend: Backend;
  readonly #executions: Executions;
  readonly #traceLinks: TraceLinks;

  constructor(backend: Backend, executions: Executions, traceLinks: TraceLinks) {
    this.#backend = backend;
    this.#executions = executions;
    this.#traceLinks = traceLinks;
  }

  @RouteFor(operations.executions.status)
  async status(
    @Caller() principal: Principal,
    @Param('trace_id') text: string,
    @Query() query: unknown,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const traceId = text.toLowerCase();
    if (!isTraceId(traceId)) throw new Problem('not_found', 'There is no execution with this trace id.');
    const status = statusOfView(await this.#executions.view(principal.tenantId, { traceId }, { payloads: 'own' }));
    const link = this.#traceLinks.of(traceId);
    return link === undefined ? status : { ...status, trace_url: link };
  }

  @RouteFor(operations.executions.list)
  async list(@Caller() principal: Principal, @Query() raw: unknown): Promise<JsonObject> {
    const query = parseQuery(EXECUTION_QUERIES.list, raw);
    const reply = accepted(
      await this.#backend.ask<ListExecutionsReply>(operations.executions.list.subject, {
        tenantId: principal.tenantId,
        ...configOf(query.config_id),
        status: query.status,
        userId: query.user,
        sessionId: query.session_id,
        parentId: query.parent_id,
        createdFrom: query.created_from,
        // Between services 0 means no limit. No execution was created in the first millisecond of 1970.
        createdTo: query.created_to === 0 ? 1 : query.created_to,
        limit: query.limit,
        cursor: query.cursor,
        ...offsetOf(query),
      }),
    );
    return {
      ...countsOf(query, reply.total),
      executions: (reply.executions ?? []).map((summary) => toUserJson(ExecutionSummarySchema, summary)),
      next_cursor: shownCursor(reply.nextCursor),
    };
  }

  @RouteFor(operations.executions.approvals)
  async approvals(@Caller() principal: Principal, @Query() raw: unknown): Promise<JsonObject> {
    const query = parseQuery(EXECUTION_QUERIES.approvals, raw);
    const reply = accepted(
      await this.#backend.ask<ListApprovalsReply>(operations.executions.approvals.subject, {
        tenantId: principal.tenantId,
        ...configOf(query.config_id),
        executionId: query.execution_id?.toLowerCase(),
        approver: query.approver,
        limit: query.limit,
        cursor: query.cursor,
      }),
    );
    return {
      approvals: (reply.approvals ?? []).map((summary) => toUserJson(ApprovalSummarySchema, summary)),
      next_cursor: shownCursor(reply.nextCursor),
    };
  }

  @RouteFor(operations.executions.get)
  async get(@Caller() principal: Principal, @Param('id') id: string, @Query() raw: unknown): Promise<JsonObject> {
    const { at_version: atVersion } = parseQuery(EXECUTION_QUERIES.view, raw);
    return toUserJson(
      ExecutionViewSchema,
      await this.#executions.view(principal.tenantId, { executionId: executionIdOf(id) }, { atVersion }),
    );
  }

  @RouteFor(operations.executions.events)
  async events(@Caller() principal: Principal, @Param('id') id: string, @Query() raw: unknown): Promise<JsonObject> {
    const query = parseQuery(EXECUTION_QUERIES.events, raw);
    const reply = accepted(
      await this.#backend.ask<ListEventsReply>(operations.executions.events.subject, {
        tenantId: principal.tenantId,
        executionId: executionIdOf(id),
        fromVersion: versionOf('events', query.cursor) ?? query.from_version ?? 1,
        limit: query.limit,
      }),
    );
    const next = reply.nextVersion ?? 0;
    const events = (reply.events ?? []).map((event) => eventToUserJson(linkedEvent(event)));
    return { events, next_cursor: next === 0 ? null : encodeCursor('events', String(next)) };
  }

  @RouteFor(operations.executions.event)
  async event(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Param('version') version: string,
    @Query() query: unknown,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    if (!/^[1-9]\d{0,9}$/.test(version) || Number(version) > NEWEST_VERSION) {
      throw new Problem('not_found', 'The execution has no such event.');
    }
    return eventToUserJson(await this.#executions.event(principal.tenantId, executionIdOf(id), Number(version)));
  }

  @RouteFor(operations.executions.verify)
  async verify(@Caller() principal: Principal, @Param('id') id: string, @Query() query: unknown): Promise<JsonObject> {
    parseQuery({}, query);
    const executionId = executionIdOf(id);
    const { integrity } = accepted(
      await this.#backend.ask<VerifyExecutionReply>(operations.executions.verify.subject, {
        tenantId: principal.tenantId,
        executionId,
      }),
    );
    if (integrity === undefined) throw new Problem('not_found', 'There is no such execution.');
    return toUserJson(ExecutionIntegritySchema, integrity);
  }

  @RouteFor(operations.executions.export)
  async export(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    parseQuery({}, query);
    const executionId = executionIdOf(id);
    const page = async (fromVersion: number): Promise<ExportExecutionReply> =>
      accepted(
        await this.#backend.ask<ExportExecutionReply>(operations.executions.export.subject, {
          tenantId: principal.tenantId,
          executionId,
          fromVersion,
        }),
      );
    // Read the first page now, because a refusal must come before the status line is sent.
    const first = await page(1);
    async function* texts(): AsyncGenerator<string> {
      for (let part = first; ; part = await page(part.nextVersion ?? 1)) {
        for (const line of part.lines) yield `${line}\n`;
        if ((part.nextVersion ?? 0) === 0) return;
      }
    }
    await reply.type('application/x-ndjson').send(Readable.from(texts()));
  }

  @RouteFor(operations.executions.steps)
  async steps(@Caller() principal: Principal, @Param('id') id: string, @Query() query: unknown): Promise<JsonObject> {
    parseQuery({}, query);
    const view = await this.#executions.view(principal.tenantId, { executionId: executionIdOf(id) });
    const { steps } = toUserJson(ExecutionViewSchema, view);
    return { execution_id: view.id, status: view.status, steps: steps ?? [] };
  }

  @RouteFor(operations.executions.step)
  step(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Param('step_id') stepId: string,
    @Query() query: unknown,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#executions.step(principal.tenantId, executionIdOf(id), stepIdOf(stepId));
  }

  @RouteFor(operations.executions.output)
  async output(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Param('step_id') stepId: string,
    @Query() query: unknown,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const executionId = executionIdOf(id);
    const output = await this.#executions.output(principal.tenantId, executionId, stepIdOf(stepId));
    return { execution_id: executionId, step_id: stepId, output };
  }

  @RouteFor(operations.executions.result)
  async result(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() raw: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    const { wait = 0 } = parseQuery(EXECUTION_QUERIES.wait, raw);
    const { finished, body } = await this.#executions.result(principal.tenantId, executionIdOf(id), {
      waitMs: wait,
      client: leavingOf(reply),
    });
    void reply.code(finished ? 200 : 202);
    if (!finished) void reply.header('retry-after', '1');
    return body;
  }
}

import { Readable } from 'node:stream';
import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import {
  ApprovalSummarySchema,
  EXECUTION_STATUSES,
  ExecutionIntegritySchema,
  ExecutionSummarySchema,
  ExecutionViewSchema,
  encodeCursor,
  eventToUserJson,
  subjects,
  toUserJson,
  cursorParameter,
  integerParameter,
  limitParameter,
  textParameter,
  timeParameter,
  waitParameter,
  wordsParameter,
  OFFSET,
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
import { Executions } from '../backend/executions.js';
import { linkedEvent } from '../backend/payloads.js';
import { Answers, Queries, Refuses } from './documented.js';
import { leavingOf } from './leaving.js';
import { executionIdOf, isTraceId, isUuid, stepIdOf } from './ids.js';
import { countsOf, offsetOf } from './offset.js';
import { accepted, Problem } from './problem.js';
import { parseQuery, versionOf } from './query.js';
import { statusOfView } from './result.js';
import { shownCursor } from './shown.js';
import { TraceLinks } from './trace-links.js';

const LIST = {
  config_id: textParameter('Executions of this config: its id or name.'),
  status: wordsParameter('Executions in this status; may be given several times.', EXECUTION_STATUSES),
  user: textParameter('Executions that this user started.'),
  session_id: textParameter('Executions of this session.'),
  created_from: timeParameter('Created at this time or later.'),
  created_to: timeParameter('Created before this time.'),
  limit: limitParameter(200),
  cursor: cursorParameter,
  ...OFFSET,
} as const;
const APPROVALS = {
  config_id: textParameter('Approvals of executions of this config: its id or name.'),
  execution_id: textParameter('Approvals of this execution.'),
  approver: textParameter('Those that this user may decide, by the `approvers` of the step.'),
  limit: limitParameter(200),
  cursor: cursorParameter,
} as const;
const NEWEST_VERSION = 2_147_483_647;
const EVENTS = {
  from_version: integerParameter('First version wanted; 1 when left out.', 1, NEWEST_VERSION),
  limit: limitParameter(1000, 100),
  cursor: cursorParameter,
} as const;
const RESULT = { wait: waitParameter } as const;
const VIEW = {
  at_version: integerParameter(
    'The state after the event with this version, from 1; the newest when left out.',
    1,
    2_147_483_647,
  ),
} as const;

/** A config as a list's parameter names it. */
function configOf(config: string | undefined): { configId?: string; configName?: string } {
  if (config === undefined) return {};
  const id = config.toLowerCase();
  return isUuid(id) ? { configId: id } : { configName: config };
}

@ApiTags('Executions')
@ApiBearerAuth()
@Controller('api/v1/orchestrations')
export class ExecutionsController {
  constructor(
    private readonly backend: Backend,
    private readonly executions: Executions,
    private readonly traceLinks: TraceLinks,
  ) {}

  @Get('status/:trace_id')
  @ApiOperation({ summary: 'Where an execution stands, by its trace id' })
  @Answers(200, 'ExecutionStatus', 'The execution without the payloads of its steps.')
  @Refuses('not_found', 'execution_deleted')
  async status(
    @Caller() principal: Principal,
    @Param('trace_id') text: string,
    @Query() query: unknown,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const traceId = text.toLowerCase();
    if (!isTraceId(traceId)) throw new Problem('not_found', 'There is no execution with this trace id.');
    const status = statusOfView(await this.executions.view(principal.tenantId, { traceId }, { payloads: 'own' }));
    const link = this.traceLinks.of(traceId);
    return link === undefined ? status : { ...status, trace_url: link };
  }

  @Get('executions')
  @ApiOperation({ summary: 'List executions, newest first' })
  @Queries(LIST)
  @Answers(200, 'ExecutionPage', 'A page.')
  @Refuses()
  async list(@Caller() principal: Principal, @Query() raw: unknown): Promise<JsonObject> {
    const query = parseQuery(LIST, raw);
    const reply = accepted(
      await this.backend.ask<ListExecutionsReply>(subjects.query.list, {
        tenantId: principal.tenantId,
        ...configOf(query.config_id),
        status: query.status,
        userId: query.user,
        sessionId: query.session_id,
        createdFrom: query.created_from,
        // Between services 0 is no limit; nothing was created in the first millisecond of 1970.
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

  @Get('approvals')
  @ApiOperation({
    summary: 'List approvals that wait for a decision, oldest first',
    description:
      'A projection, a moment behind: what was asked for just now may be missing, and what was decided may still be there.',
  })
  @Queries(APPROVALS)
  @Answers(200, 'ApprovalPage', 'A page.')
  @Refuses()
  async approvals(@Caller() principal: Principal, @Query() raw: unknown): Promise<JsonObject> {
    const query = parseQuery(APPROVALS, raw);
    const reply = accepted(
      await this.backend.ask<ListApprovalsReply>(subjects.query.approvals, {
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

  @Get('executions/:id')
  @ApiOperation({
    summary: 'Get an execution with its steps, as it is or as it was',
    description: 'Folded from its events: never stale. A version that it does not have is `not_found`.',
  })
  @Queries(VIEW)
  @Answers(200, 'ExecutionView', 'The execution.')
  @Refuses('not_found', 'execution_deleted')
  async get(@Caller() principal: Principal, @Param('id') id: string, @Query() raw: unknown): Promise<JsonObject> {
    const { at_version: atVersion } = parseQuery(VIEW, raw);
    return toUserJson(
      ExecutionViewSchema,
      await this.executions.view(principal.tenantId, { executionId: executionIdOf(id) }, { atVersion }),
    );
  }

  @Get('executions/:id/events')
  @ApiOperation({ summary: "Read an execution's events" })
  @Queries(EVENTS)
  @Answers(200, 'EventPage', 'A page.')
  @Refuses('not_found', 'execution_deleted')
  async events(@Caller() principal: Principal, @Param('id') id: string, @Query() raw: unknown): Promise<JsonObject> {
    const query = parseQuery(EVENTS, raw);
    const reply = accepted(
      await this.backend.ask<ListEventsReply>(subjects.query.events, {
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

  @Get('executions/:id/events/:version')
  @ApiOperation({
    summary: 'Read one event with all of its data',
    description: 'Also where a page leaves it out for its size.',
  })
  @Answers(200, 'Event', 'The event.')
  @Refuses('not_found', 'execution_deleted')
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
    return eventToUserJson(await this.executions.event(principal.tenantId, executionIdOf(id), Number(version)));
  }

  @Get('executions/:id/verify')
  @ApiOperation({
    summary: 'Verify that the stored events of an execution are those that were committed',
    description:
      'Walks the chain of its events and compares it with the newest signed checkpoint that holds a link of it. Of a deleted execution it says by whom it was deleted, and whether what is left of it still fits. What this finds and what it cannot find is described in the operations guide.',
  })
  @Answers(200, 'ExecutionIntegrity', 'What was found; `intact` says whether it is nothing.')
  @Refuses('not_found')
  async verify(@Caller() principal: Principal, @Param('id') id: string, @Query() query: unknown): Promise<JsonObject> {
    parseQuery({}, query);
    const executionId = executionIdOf(id);
    const { integrity } = accepted(
      await this.backend.ask<VerifyExecutionReply>(subjects.query.verify, {
        tenantId: principal.tenantId,
        executionId,
      }),
    );
    if (integrity === undefined) throw new Problem('not_found', 'There is no such execution.');
    return toUserJson(ExecutionIntegritySchema, integrity);
  }

  @Get('executions/:id/export')
  @ApiOperation({
    summary: 'Export an execution as a bundle that can be checked without the platform',
    description:
      'Lines of JSON: the config version, every event with its link, and the newest signed checkpoint with the way to it. `tools/check-bundle.mjs` checks it.',
  })
  @ApiResponse({
    status: 200,
    description: 'The bundle.',
    content: { 'application/x-ndjson': { schema: { type: 'string' } } },
  })
  @Refuses('not_found', 'execution_deleted')
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
        await this.backend.ask<ExportExecutionReply>(subjects.query.export, {
          tenantId: principal.tenantId,
          executionId,
          fromVersion,
        }),
      );
    // A refusal must come before the status does.
    const first = await page(1);
    async function* texts(): AsyncGenerator<string> {
      for (let part = first; ; part = await page(part.nextVersion ?? 1)) {
        for (const line of part.lines) yield `${line}\n`;
        if ((part.nextVersion ?? 0) === 0) return;
      }
    }
    await reply.type('application/x-ndjson').send(Readable.from(texts()));
  }

  @Get('executions/:id/steps')
  @ApiOperation({ summary: "Get an execution's steps with their outputs" })
  @Answers(200, 'ExecutionSteps', 'The steps in the order of the config.')
  @Refuses('not_found', 'execution_deleted')
  async steps(@Caller() principal: Principal, @Param('id') id: string, @Query() query: unknown): Promise<JsonObject> {
    parseQuery({}, query);
    const view = await this.executions.view(principal.tenantId, { executionId: executionIdOf(id) });
    const { steps } = toUserJson(ExecutionViewSchema, view);
    return { execution_id: view.id, status: view.status, steps: steps ?? [] };
  }

  @Get('executions/:id/steps/:step_id')
  @ApiOperation({
    summary: 'Get one step with what its agent got, its output and every attempt',
    description: 'The input is that of the newest attempt, as its mapping gave it then.',
  })
  @Answers(200, 'StepDetail', 'The step.')
  @Refuses('not_found', 'execution_deleted', 'step_not_found')
  step(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Param('step_id') stepId: string,
    @Query() query: unknown,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.executions.step(principal.tenantId, executionIdOf(id), stepIdOf(stepId));
  }

  @Get('executions/:id/steps/:step_id/output')
  @ApiOperation({
    summary: 'Get the output of a step or consensus group',
    description: 'Also where a view leaves it out for its size. Null while there is none.',
  })
  @Answers(200, 'StepOutput', 'The output.')
  @Refuses('not_found', 'execution_deleted', 'step_not_found')
  async output(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Param('step_id') stepId: string,
    @Query() query: unknown,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const executionId = executionIdOf(id);
    const output = await this.executions.output(principal.tenantId, executionId, stepIdOf(stepId));
    return { execution_id: executionId, step_id: stepId, output };
  }

  @Get('executions/:id/result')
  @ApiOperation({
    summary: "Get an execution's result",
    description: 'Answers 202 with the status while it has none; with `wait`, only after that time.',
  })
  @Queries(RESULT)
  @Answers(200, 'ExecutionResult', 'It has ended.')
  @Answers(202, 'ExecutionResult', 'It has not ended yet.', { retryAfter: true })
  @Refuses('not_found', 'execution_deleted')
  async result(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() raw: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    const { wait = 0 } = parseQuery(RESULT, raw);
    const { finished, body } = await this.executions.result(principal.tenantId, executionIdOf(id), {
      waitMs: wait,
      client: leavingOf(reply),
    });
    void reply.code(finished ? 200 : 202);
    if (!finished) void reply.header('retry-after', '1');
    return body;
  }
}

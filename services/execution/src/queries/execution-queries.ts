import {
  EVENT_SCHEMAS,
  EXECUTION_STATUSES,
  LATEST_TIME_MS,
  LIMITS,
  TOKEN,
  isTerminalEventType,
} from '@batuta/contracts';
import type {
  ApprovalSummary,
  CurrentStep,
  Event,
  EventType,
  ExecutionStatus,
  ExecutionSummary,
  ExecutionView,
  Failure,
  GetExecutionReply,
  GetExecutionRequest,
  GetPayloadReply,
  GetPayloadRequest,
  GetStartsReply,
  GetStartsRequest,
  GetStepReply,
  GetStepRequest,
  GetVersionsReply,
  GetVersionsRequest,
  JsonValue,
  ListApprovalsReply,
  ListApprovalsRequest,
  ListEventsReply,
  ListEventsRequest,
  ListExecutionsReply,
  ListExecutionsRequest,
  ListPoolsReply,
  ListPoolsRequest,
  LogPage,
  MistakeCode,
  ReadLogReply,
  ReadLogRequest,
  ReadStreamReply,
  ReadStreamRequest,
  Refusal,
  StepAttempt,
} from '@batuta/contracts';
import type { Queryable, TenantPool } from '@batuta/service';
import { OF_EXECUTIONS, ONLY_CALLED_BACK_STARTS } from '../store/kinds.js';
import {
  deletedRejection,
  failedNode,
  jsonBytes,
  nodeOutput,
  shownFailure,
  stepView,
  taskInput,
  view,
} from '../domain/index.js';
import type { Failed, State } from '../domain/index.js';
import { readStream, stepsWithOutput } from '../output/read-stream.js';
import { StreamLoader } from '../partitions/lane/execution-loader.js';
import { isExecution } from '../partitions/lane/stream-state.js';
import type { StreamState } from '../partitions/lane/stream-state.js';
import { readExecution } from '../partitions/lane/fold-execution.js';
import type { ExecutionSource } from '../partitions/lane/fold-execution.js';
import { decodeListCursor, encodeListCursor } from './cursor.js';
import { fitEvent, fitStep, fitView, listedView, withoutStepPayloads, withoutSteps } from './fit-view.js';
import type { Queues } from './queues.js';
import { StepAttempts } from './step-attempts.js';
import { countExecutions, listApprovals, listExecutions } from './list-sql.js';
import type { ExecutionFilters } from './list-sql.js';
import { DELETED_BY_TRACE, EXECUTION_BY_TRACE } from './sql.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** Leaves room for the rest of the message. */
const REPLY_BYTES = LIMITS.natsMaxPayloadBytes - 1024 * 1024;
/** A step's input and its attempts are in one reply, so each may take only this much. */
const LARGEST_INLINE_INPUT = 1024 * 1024;
const LARGEST_STEP = 4 * 1024 * 1024;
const LARGEST_ATTEMPTS = 1024 * 1024;
/** A character takes at most three bytes in the reply. */
const PART_CHARACTERS = 2 * 1024 * 1024;
/** Events per query when a step's attempts are collected. */
const ATTEMPTS_PAGE = 500;
/** Bytes of an event besides its data. */
const ENVELOPE_BYTES = 300;
const MOST_VERSIONS = 10_000;
const MOST_POOLS = 1_000;
const MOST_STARTS = 1_000;
const MOST_CURSORS = 4_096;

interface SummaryRow {
  id: string;
  trace_id: string;
  config_id: string;
  config_name: string;
  status: ExecutionStatus;
  user_id: string;
  session_id: string | null;
  tenant_id: string;
  created_at: Date;
  started_at: Date | null;
  completed_at: Date | null;
  paused_at: Date | null;
  total_latency_ms: number | null;
  estimated_cost: string;
  created_by: string;
  token_count: number;
  /** Whether the step runs are those of the end, because all of them are written again at the end. */
  failure_is_projected: boolean;
  failed_step_id: string | null;
  failure_code: string | null;
  failure_message: string | null;
  failure_retryable: boolean | null;
  failed_step_name: string | null;
  failed_agent: string | null;
  failed_attempts: number | null;
  current_steps: CurrentStep[] | null;
  parent_id: string | null;
  restored_at: string | null;
}

interface ApprovalRow {
  id: string;
  execution_id: string;
  step_id: string;
  step_name: string;
  config_id: string;
  config_name: string;
  status: ExecutionStatus;
  approval_message: string;
  approval_approvers: string[] | null;
  approval_requested_at: Date;
  approval_deadline_at: Date | null;
}

const refused = (code: Refusal['code'], message: string): { refused: Refusal } => ({ refused: { code, message } });

/** One mistake in a request, with the field's name in the API. */
const wrong = (path: string, code: MistakeCode, message: string): { refused: Refusal } => ({
  refused: {
    code: 'validation_failed',
    message: `The request has one mistake: ${path.slice(1)} ${message}.`,
    violations: [{ path, code, message }],
  },
});

const BAD_CURSOR = wrong('/cursor', 'bad_cursor', 'is not a cursor of this list');

/** Whether PostgreSQL and RFC 3339 can represent this number of epoch milliseconds. */
const isTime = (epochMs: number): boolean => Number.isFinite(epochMs) && Math.abs(epochMs) <= LATEST_TIME_MS;

/** Largest offset of a list. */
const MAX_OFFSET = 1_000_000;

function clamp(value: number | undefined, otherwise: number, most: number): number {
  return value === undefined || value < 1 ? otherwise : Math.min(Math.floor(value), most);
}

/** The first events that fit into a reply with `room` bytes. A whole reply always has at least one. */
function fitting(events: readonly Event[], room = REPLY_BYTES): { events: Event[]; bytes: number } {
  let bytes = 0;
  const kept: Event[] = [];
  for (const each of events) {
    const event = fitEvent(each, REPLY_BYTES - ENVELOPE_BYTES);
    const more = jsonBytes(event.data as JsonValue) + ENVELOPE_BYTES;
    if (bytes + more > room && (kept.length > 0 || room < REPLY_BYTES)) break;
    bytes += more;
    kept.push(event);
  }
  return { events: kept, bytes };
}

/** The first approvals that fit into a reply, because lists of approvers may be long. At least one always fits. */
function fittingApprovals(approvals: readonly ApprovalSummary[]): ApprovalSummary[] {
  let bytes = 0;
  const past = approvals.findIndex((approval) => {
    bytes += Buffer.byteLength(JSON.stringify(approval));
    return bytes > REPLY_BYTES;
  });
  return past === -1 ? [...approvals] : approvals.slice(0, Math.max(1, past));
}

/** The requested part of a view. */
function wanted(execution: ExecutionView, payloads: GetExecutionRequest['payloads']): ExecutionView {
  if (payloads === 'start') return withoutSteps(execution);
  return payloads === 'own' || payloads === 'result' ? withoutStepPayloads(execution) : execution;
}

/** Asked for without a look at where tasks wait. */
const WITHOUT_QUEUE: ReadonlySet<string> = new Set(['start', 'result', 'listed']);

/** Attempts without the details of their failures when these are too large. */
function fittingAttempts(attempts: readonly StepAttempt[]): StepAttempt[] {
  if (jsonBytes(attempts as unknown as JsonValue) <= LARGEST_ATTEMPTS) return [...attempts];
  return attempts.map(({ failure, ...attempt }) => {
    if (failure === undefined) return attempt;
    const { details, trace: _trace, ...told } = failure;
    const omitted = details === undefined ? {} : { details: { omitted_bytes: jsonBytes(details) } };
    return { ...attempt, failure: { ...told, message: told.message.slice(0, 1_000), ...omitted } };
  });
}

/** Executions read with one statement. Each of them may be large. */
const READ_TOGETHER = 20;

/** Connections under row level security, and the tenant they work for. */
type Seen = Pick<TenantPool, 'seen'>;

/** Separate connections, so that a query for one execution does not wait behind lists. */
export interface QueryPools {
  readonly lists: Seen;
  readonly lookUps: Seen;
}

/** Answers queries about executions from PostgreSQL alone, so any replica can. */
export class ExecutionQueries {
  readonly #source: ExecutionSource;
  readonly #sourceOf: (tenantId: string) => ExecutionSource;
  readonly #connections: QueryPools;
  readonly #partitions: number;
  readonly #queues: Pick<Queues, 'marked' | 'pools'>;
  /** For each tenant that asks now: concurrent queries are read with one statement, which sees one tenant's rows. */
  readonly #loaders = new Map<string, { readonly loader: StreamLoader; asking: number }>();

  /** `source` sees all tenants' executions. The loader for one tenant sees only that tenant's. */
  constructor(
    source: ExecutionSource,
    sourceOf: (tenantId: string) => ExecutionSource,
    connections: QueryPools,
    partitions: number,
    queues: Pick<Queues, 'marked' | 'pools'>,
  ) {
    this.#source = source;
    this.#sourceOf = sourceOf;
    this.#connections = connections;
    this.#partitions = partitions;
    this.#queues = queues;
  }

  get topology(): { partitions: number } {
    return { partitions: this.#partitions };
  }

  /** One execution, computed from its events, so it is never outdated. */
  async get(request: GetExecutionRequest): Promise<GetExecutionReply> {
    const id = await this.#idOf(request);
    const notFound = refused('not_found', 'There is no such execution.');
    if (id === undefined) return notFound;
    const version = request.atVersion || undefined;
    // After the loss of a gateway many queries come at once, so their executions are read together.
    const state =
      version === undefined
        ? await this.#state(request.tenantId, id)
        : await readExecution(this.#sourceOf(request.tenantId), id, version);
    if (state === undefined) return (await this.#deleted(request.tenantId, id)) ?? notFound;
    if (state?.started?.tenantId !== request.tenantId) return notFound;
    // An earlier state of a deleted execution is not available either.
    const gone = version === undefined ? deletedRejection(state) : (await this.#deleted(request.tenantId, id))?.refused;
    if (gone !== undefined) return { refused: gone };
    if (version !== undefined && version !== state.version) {
      return refused('not_found', `The execution has no version ${version}: its newest is ${state.version}.`);
    }
    const { payloads } = request;
    const shown = wanted(view(state), payloads);
    // Only the current state shows where tasks wait now.
    const live = version === undefined && (payloads === undefined || !WITHOUT_QUEUE.has(payloads));
    const steps = live ? await this.#queues.marked(state, shown.steps) : shown.steps;
    return { execution: payloads === 'listed' ? listedView(shown) : fitView({ ...shown, steps }, REPLY_BYTES) };
  }

  /** The current state of an execution. Undefined when it does not exist, or is another kind of stream. */
  async #state(tenantId: string, id: string): Promise<State | undefined> {
    let entry = this.#loaders.get(tenantId);
    if (entry === undefined) {
      const loader = new StreamLoader(this.#sourceOf(tenantId), setImmediate, READ_TOGETHER, 2, false);
      this.#loaders.set(tenantId, (entry = { loader, asking: 0 }));
    }
    entry.asking += 1;
    let state: StreamState | undefined;
    try {
      state = (await entry.loader.load(id))?.state;
    } finally {
      entry.asking -= 1;
      if (entry.asking === 0) this.#loaders.delete(tenantId);
    }
    return state !== undefined && isExecution(state) ? state : undefined;
  }

  /** One step with its agent's input, computed from the log, and every attempt. */
  async step(request: GetStepRequest): Promise<GetStepReply> {
    const { executionId, stepId } = request;
    const source = this.#sourceOf(request.tenantId);
    const state = UUID.test(executionId) ? await this.#state(request.tenantId, executionId) : undefined;
    if (state?.started?.tenantId !== request.tenantId) return refused('not_found', 'There is no such execution.');
    const gone = deletedRejection(state);
    if (gone !== undefined) return { refused: gone };
    const index = state.config.unitIndex.get(stepId);
    const unit = index === undefined || index >= state.config.stepCount ? undefined : state.config.units[index];
    if (unit === undefined) return refused('step_not_found', `The execution has no step "${stepId}".`);
    const attempts = await this.#attempts(source, executionId, stepId, state.version);
    const { scheduledVersion } = attempts;
    // Computed from the state at the dispatch, because later events may have changed the result of the mapping.
    const then = scheduledVersion === 0 ? undefined : await readExecution(source, executionId, scheduledVersion);
    const input = then === undefined ? undefined : taskInput(then, stepId);
    const inputBytes = input === undefined ? 0 : jsonBytes(input);
    const fits = inputBytes <= LARGEST_INLINE_INPUT;
    const plain = stepView(state, unit);
    const [step = plain] = await this.#queues.marked(state, [plain]);
    return {
      status: state.status,
      version: state.version,
      attempts: fittingAttempts(attempts.all),
      step: fitStep(step, LARGEST_STEP),
      ...(input === undefined ? {} : fits ? { input } : { inputOmitted: { bytes: inputBytes } }),
    };
  }

  /** What a step says while it runs, from a place on. */
  async stream(request: ReadStreamRequest): Promise<ReadStreamReply> {
    const { executionId, tenantId, stepId = '' } = request;
    const nothing = { parts: [], ends: [] };
    const state = UUID.test(executionId) ? await this.#state(tenantId, executionId) : undefined;
    if (state?.started?.tenantId !== tenantId) {
      return { ...nothing, ...refused('not_found', 'There is no such execution.') };
    }
    const gone = deletedRejection(state);
    if (gone !== undefined) return { ...nothing, refused: gone };
    const queries = this.#connections.lookUps.seen({ tenantId });
    if (stepId === '') return stepsWithOutput(state, queries);
    const unknown = refused('step_not_found', `The execution has no step "${stepId}".`);
    return (await readStream(state, request, queries)) ?? { ...nothing, ...unknown };
  }

  async pools({ pools }: ListPoolsRequest): Promise<ListPoolsReply> {
    const names = [...new Set(pools)].filter((name) => TOKEN.test(name)).slice(0, MOST_POOLS);
    return { pools: await this.#queues.pools(names) };
  }

  /** A part of one payload, for payloads that are too large for a message. */
  async payload(request: GetPayloadRequest): Promise<GetPayloadReply> {
    const { executionId, stepId, payload, from = 0 } = request;
    const version = request.atVersion || undefined;
    const notFound = refused('not_found', 'There is no such execution.');
    if (!UUID.test(executionId)) return notFound;
    let value: JsonValue | undefined;
    if (payload === 'event') {
      const gone = await this.#deleted(request.tenantId, executionId);
      if (gone !== undefined) return gone;
      const found = await this.#event(request.tenantId, executionId, version ?? 1);
      if (found === undefined) return notFound;
      if (found === 'none') return refused('not_found', `The execution has no event with version ${version ?? 1}.`);
      value = found as unknown as JsonValue;
    } else {
      const gone = await this.#deleted(request.tenantId, executionId);
      if (gone !== undefined) return gone;
      const source = this.#sourceOf(request.tenantId);
      const state = await readExecution(source, executionId, version);
      if (state?.started?.tenantId !== request.tenantId) return notFound;
      value = await this.#payload(source, state, stepId ?? '', payload);
      if (value === undefined) return refused('step_not_found', `The execution has no step "${stepId ?? ''}".`);
    }
    const text = JSON.stringify(value);
    const end = from + PART_CHARACTERS;
    return { text: text.slice(from, end), ...(end < text.length ? { nextFrom: end } : {}) };
  }

  /** The refusal for a tenant's deleted execution, whether its events are removed already or not. */
  async #deleted(tenantId: string, executionId: string): Promise<{ refused: Refusal } | undefined> {
    const { reader } = this.#sourceOf(tenantId);
    const [newest] = await reader.readNewest([executionId]);
    if (newest?.type !== 'ExecutionDeleted') return undefined;
    const [event] = await reader.readEvents(executionId, newest.version, 1);
    if (event?.type !== 'ExecutionDeleted' || event.data.tenantId !== tenantId) return undefined;
    const { at, commandId, data: facts } = event;
    const refusal = deletedRejection({ deleted: { at, commandId, facts } });
    return refusal === undefined ? undefined : { refused: refusal };
  }

  /** One event of the tenant's execution. Undefined when there is no such execution. */
  async #event(tenantId: string, executionId: string, version: number): Promise<Event | 'none' | undefined> {
    const { reader } = this.#sourceOf(tenantId);
    const [[first], [event]] = await Promise.all([
      reader.readEvents(executionId, 1, 1),
      reader.readEvents(executionId, version, 1),
    ]);
    if (first?.type !== 'ExecutionStarted' || first.data.tenantId !== tenantId) return undefined;
    return event?.version === version ? event : 'none';
  }

  async #payload(
    source: ExecutionSource,
    state: State,
    stepId: string,
    payload: 'output' | 'input',
  ): Promise<JsonValue | undefined> {
    const { executionId } = state;
    if (stepId === '') return (payload === 'output' ? state.output : (state.started?.input as JsonValue)) ?? null;
    if (payload === 'output') return nodeOutput(state, stepId);
    if (!state.config.unitIndex.has(stepId)) return undefined;
    const { scheduledVersion } = await this.#attempts(source, executionId, stepId, state.version);
    const then = await readExecution(source, executionId, scheduledVersion);
    return then === undefined ? null : taskInput(then, stepId);
  }

  async #attempts(
    source: ExecutionSource,
    executionId: string,
    stepId: string,
    version: number,
  ): Promise<StepAttempts> {
    const attempts = new StepAttempts(stepId);
    for (let from = 1; from <= version;) {
      const page = await source.reader.readEvents(executionId, from, ATTEMPTS_PAGE);
      for (const event of page) if (event.version <= version) attempts.add(event);
      if (page.length < ATTEMPTS_PAGE) break;
      from += page.length;
    }
    return attempts;
  }

  async events(request: ListEventsRequest): Promise<ListEventsReply> {
    const notFound = { events: [], ...refused('not_found', 'There is no such execution.') };
    if (!UUID.test(request.executionId)) return notFound;
    const limit = clamp(request.limit, 1_000, 1_000);
    const from = clamp(request.fromVersion, 1, Number.MAX_SAFE_INTEGER);
    const { reader } = this.#sourceOf(request.tenantId);
    const [[first], events, gone] = await Promise.all([
      reader.readEvents(request.executionId, 1, 1),
      reader.readEvents(request.executionId, from, limit),
      this.#deleted(request.tenantId, request.executionId),
    ]);
    if (gone !== undefined) return { events: [], ...gone };
    if (first?.type !== 'ExecutionStarted' || first.data.tenantId !== request.tenantId) return notFound;
    const kept = fitting(events).events;
    const last = kept.at(-1);
    const more = last !== undefined && (kept.length < events.length || events.length === limit);
    return { events: kept, ...(more ? { nextVersion: last.version + 1 } : {}) };
  }

  /** Newest versions, for callers that may already see these executions. */
  async versions(request: GetVersionsRequest): Promise<GetVersionsReply> {
    const asked = request.executionIds.slice(0, MOST_VERSIONS);
    const ids = asked.filter((id) => UUID.test(id));
    const newest = ids.length === 0 ? [] : await this.#source.reader.readNewest(ids);
    const found = new Map(ids.map((id, place) => [id, newest[place]]));
    return {
      versions: asked.map((id) => found.get(id)?.version ?? 0),
      ended: asked.map((id) => {
        const type = found.get(id)?.type ?? '';
        return isTerminalEventType(type) || type === 'ExecutionDeleted';
      }),
    };
  }

  /**
   * How executions began, for callers that may already see them. Read from the log, so that a rebuild of read models
   * hides none.
   */
  async starts({ executionIds }: GetStartsRequest): Promise<GetStartsReply> {
    if (executionIds.length > MOST_STARTS) throw new RangeError(`at most ${MOST_STARTS} starts may be read at once`);
    const found = await this.#source.reader.readStarts(executionIds.filter((id) => UUID.test(id)));
    return {
      starts: [...found].map(([executionId, start]) => ({
        executionId,
        tenantId: start.tenantId,
        traceId: start.traceId,
        configId: start.configId,
        configName: start.configName,
        userId: start.userId,
        ...(start.callbackUrl === undefined ? {} : { callbackUrl: start.callbackUrl }),
      })),
    };
  }

  async list(request: ListExecutionsRequest): Promise<ListExecutionsReply> {
    const cursor = request.cursor ? decodeListCursor('executions', request.cursor) : undefined;
    if (request.cursor && cursor === undefined) {
      return { executions: [], ...BAD_CURSOR };
    }
    const statuses = request.status ?? [];
    const unknown = statuses.find((status) => !EXECUTION_STATUSES.includes(status));
    if (unknown !== undefined) {
      return { executions: [], ...wrong('/status', 'not_allowed', `must be one of ${EXECUTION_STATUSES.join(', ')}`) };
    }
    for (const [path, at] of [
      ['/created_from', request.createdFrom],
      ['/created_to', request.createdTo],
    ] as const) {
      if (at !== undefined && !isTime(at)) return { executions: [], ...wrong(path, 'out_of_range', 'is no time') };
    }
    const limit = clamp(request.limit, 50, 200);
    // Planned again each time, because a generic plan would not know how rare the given values are.
    const filters: ExecutionFilters = {
      tenantId: request.tenantId,
      configId: request.configId || undefined,
      configName: request.configName || undefined,
      userId: request.userId || undefined,
      sessionId: request.sessionId || undefined,
      statuses,
      createdFrom: request.createdFrom || undefined,
      createdTo: request.createdTo || undefined,
      after: cursor,
      limit: limit + 1,
      offset: clamp(request.offset, 0, MAX_OFFSET),
    };
    const { tenantId } = request;
    const { rows } = await this.#connections.lists.seen({ tenantId }).query<SummaryRow>(listExecutions(filters));
    const total = request.withTotal === true ? await this.#total(filters) : {};
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return {
      executions: await Promise.all(page.map(async (row) => summary(row, await this.#failed(row)))),
      ...total,
      ...(rows.length > limit && last !== undefined
        ? { nextCursor: encodeListCursor('executions', { createdAt: last.created_at.getTime(), id: last.id }) }
        : {}),
    };
  }

  /** What failed, from its step runs, or from its events while the step runs are not written yet. */
  async #failed(row: SummaryRow): Promise<Failed> {
    if (row.failed_step_id === null || row.failure_is_projected) return failedOf(row);
    // An unreadable execution does not keep the others from the list.
    const state = await this.#state(row.tenant_id, row.id).catch(() => undefined);
    return state === undefined ? failedOf(row) : failedNode(state, row.failed_step_id);
  }

  async #total(filters: ExecutionFilters): Promise<{ total: number }> {
    const { tenantId } = filters;
    const lists = this.#connections.lists.seen({ tenantId });
    const { rows } = await lists.query<{ total: number }>(countExecutions(filters));
    return { total: rows[0]?.total ?? 0 };
  }

  /**
   * Waiting approvals from the projection. One that was requested or decided a moment ago may be missing or still
   * there.
   */
  async approvals(request: ListApprovalsRequest): Promise<ListApprovalsReply> {
    const cursor = request.cursor ? decodeListCursor('approvals', request.cursor) : undefined;
    if (request.cursor && cursor === undefined) {
      return { approvals: [], ...BAD_CURSOR };
    }
    if (request.executionId && !UUID.test(request.executionId)) return { approvals: [] };
    const limit = clamp(request.limit, 50, 200);
    const { tenantId } = request;
    const lists = this.#connections.lists.seen({ tenantId });
    // Row level security would prevent the use of the index of approvers. So rows are found as for all tenants, and
    // then read as the tenant sees them.
    const searched = request.approver ? this.#connections.lists.seen('everybody') : lists;
    const found = await searched.query<ApprovalRow>(
      listApprovals({
        tenantId,
        configId: request.configId || undefined,
        configName: request.configName || undefined,
        executionId: request.executionId || undefined,
        approver: request.approver || undefined,
        after: cursor,
        limit: limit + 1,
      }),
    );
    const rows = request.approver ? await seenBy(lists, found.rows) : found.rows;
    const approvals = fittingApprovals(rows.slice(0, limit).map(approvalSummary));
    const last = rows[approvals.length - 1];
    return {
      approvals,
      ...(rows.length > approvals.length && last !== undefined
        ? {
            nextCursor: encodeListCursor('approvals', { createdAt: last.approval_requested_at.getTime(), id: last.id }),
          }
        : {}),
    };
  }

  /** Events of partitions' logs after given positions, for consumers with their own cursors. */
  async log(request: ReadLogRequest): Promise<ReadLogReply> {
    const types = (request.types ?? []).filter((type): type is EventType => Object.hasOwn(EVENT_SCHEMAS, type));
    const limit = clamp(request.limit, 1_000, 1_000);
    const asked = request.cursors ?? [{ partition: request.partition ?? 0, afterPosition: request.afterPosition ?? 0 }];
    if (asked.length > MOST_CURSORS) throw new RangeError(`at most ${MOST_CURSORS} cursors may be read at once`);
    const cursors = asked.map(({ partition, afterPosition }) => ({ partition, after: Math.max(0, afterPosition) }));
    const found = await this.#source.reader.readLogs(cursors, limit, {
      ...OF_EXECUTIONS,
      types,
      ...(request.onlyCalledBackStarts === true ? { filter: ONLY_CALLED_BACK_STARTS } : {}),
    });
    let room = REPLY_BYTES;
    const pages = found.map((page, place): LogPage => {
      const kept = fitting(page.events, room);
      room -= kept.bytes;
      if (kept.events.length === page.events.length) return page;
      const position = kept.events.at(-1)?.position ?? cursors[place]?.after ?? 0;
      return { events: kept.events, position, more: true };
    });
    if (request.cursors !== undefined) return { events: [], position: 0, pages };
    const [{ events, position } = { events: [], position: 0 }] = pages;
    return { events, position };
  }

  async #idOf(request: GetExecutionRequest): Promise<string | undefined> {
    if (request.executionId) return UUID.test(request.executionId) ? request.executionId : undefined;
    if (!request.traceId) return undefined;
    const { tenantId } = request;
    const { rows } = await this.#connections.lookUps.seen({ tenantId }).query<{ id: string }>({
      name: 'execution-by-trace',
      text: EXECUTION_BY_TRACE,
      values: [request.tenantId, request.traceId],
    });
    if (rows[0] !== undefined) return rows[0].id;
    // Row level security prevents the use of this index. The answer itself is then read with the tenant's rights.
    const deleted = await this.#connections.lookUps.seen('everybody').query<{ id: string }>({
      name: 'deleted-by-trace',
      text: DELETED_BY_TRACE,
      values: [request.tenantId, request.traceId],
    });
    return deleted.rows[0]?.id;
  }
}

/** Those whose execution the tenant sees. */
async function seenBy(lists: Queryable, rows: readonly ApprovalRow[]): Promise<ApprovalRow[]> {
  if (rows.length === 0) return [];
  const seen = await lists.query<{ id: string }>(
    'SELECT id FROM execution.orchestration_executions WHERE id = ANY($1::uuid[])',
    [[...new Set(rows.map((row) => row.execution_id))]],
  );
  const ids = new Set(seen.rows.map(({ id }) => id));
  return rows.filter((row) => ids.has(row.execution_id));
}

function approvalSummary(row: ApprovalRow): ApprovalSummary {
  return {
    executionId: row.execution_id,
    stepId: row.step_id,
    stepName: row.step_name,
    configId: row.config_id,
    configName: row.config_name,
    message: row.approval_message,
    requestedAt: row.approval_requested_at.getTime(),
    status: row.status,
    ...(row.approval_approvers === null ? {} : { approvers: row.approval_approvers }),
    ...(row.approval_deadline_at === null ? {} : { deadlineAt: row.approval_deadline_at.getTime() }),
  };
}

const failureOf = (row: SummaryRow, code: string): Failure => ({
  code,
  message: row.failure_message ?? '',
  retryable: row.failure_retryable ?? false,
});

/** What failed, from the projection of step runs. An id without a step run belongs to a group. */
function failedOf(row: SummaryRow): Failed {
  const { failed_step_id: id, failed_step_name: name, failed_agent: agent, failed_attempts: attempts } = row;
  if (id === null) return { kind: 'execution' };
  if (name === null) return { kind: 'group', id };
  return { kind: 'step', id, name, agent: agent ?? '', attempts: agent === '' ? 0 : (attempts ?? 0) };
}

function summary(row: SummaryRow, failed: Failed): ExecutionSummary {
  return {
    id: row.id,
    traceId: row.trace_id,
    configId: row.config_id,
    configName: row.config_name,
    status: row.status,
    userId: row.user_id,
    tenantId: row.tenant_id,
    createdAt: row.created_at.getTime(),
    estimatedCost: Number(row.estimated_cost),
    createdBy: row.created_by,
    tokenCount: row.token_count,
    ...(row.session_id === null ? {} : { sessionId: row.session_id }),
    ...(row.started_at === null ? {} : { startedAt: row.started_at.getTime() }),
    ...(row.completed_at === null ? {} : { completedAt: row.completed_at.getTime() }),
    ...(row.paused_at === null ? {} : { pausedAt: row.paused_at.getTime() }),
    ...(row.total_latency_ms === null ? {} : { totalLatencyMs: row.total_latency_ms }),
    ...(row.failure_code === null ? {} : { failure: shownFailure(failed, failureOf(row, row.failure_code)) }),
    ...(row.parent_id === null ? {} : { parentId: row.parent_id }),
    ...(row.restored_at === null ? {} : { restoredAt: Number(row.restored_at) }),
    ...(row.current_steps === null ? {} : { currentSteps: row.current_steps }),
  };
}

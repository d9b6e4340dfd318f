import type {
  Event,
  ExecutionView,
  GetExecutionReply,
  GetExecutionRequest,
  GetPayloadReply,
  GetPayloadRequest,
  GetStepReply,
  GetStepRequest,
  JsonValue,
  ReadStreamReply,
  ReadStreamRequest,
} from '@batuta/contracts';
import type { TenantPool } from '@batuta/service';
import { deletedRejection, jsonBytes, nodeOutput, stepView, taskInput, view } from '../domain/index.js';
import type { State } from '../domain/index.js';
import { isUuid } from '../messages/fields.js';
import { readStream, stepsWithOutput } from '../output/read-stream.js';
import { readExecution } from '../partitions/lane/fold-execution.js';
import type { ExecutionSource } from '../partitions/lane/fold-execution.js';
import { REPLY_BYTES, fittingAttempts } from './fit-reply.js';
import { fitStep, fitView, listedView, withoutLeftOut, withoutStepPayloads, withoutSteps } from './fit-view.js';
import type { Queues } from './queues.js';
import { refused } from './request-rules.js';
import { DELETED_BY_TRACE, EXECUTION_BY_TRACE } from './sql.js';
import { StepAttempts } from './step-attempts.js';
import type { TenantExecutions } from './tenant-executions.js';

/** A step's input and its attempts are in one reply, so each may take only this much. */
const LARGEST_INLINE_INPUT = 1024 * 1024;
const LARGEST_STEP = 4 * 1024 * 1024;
/** A character takes at most three bytes in the reply. */
const PART_CHARACTERS = 2 * 1024 * 1024;
/** Events per query when a step's attempts are collected. */
const ATTEMPTS_PAGE = 500;

/** The requested part of a view. */
function wanted(execution: ExecutionView, payloads: GetExecutionRequest['payloads']): ExecutionView {
  if (payloads === 'start') return withoutSteps(execution);
  return payloads === 'own' || payloads === 'result' ? withoutStepPayloads(execution) : execution;
}

/** Asked for without a look at where tasks wait. */
const WITHOUT_QUEUE: ReadonlySet<string> = new Set(['start', 'result', 'listed']);

/** Answers queries about one execution from its events, so that any replica can, and no answer is outdated. */
export class ExecutionQueries {
  readonly #executions: TenantExecutions;
  readonly #pool: Pick<TenantPool, 'seen'>;
  readonly #queues: Pick<Queues, 'marked'>;

  constructor(executions: TenantExecutions, pool: Pick<TenantPool, 'seen'>, queues: Pick<Queues, 'marked'>) {
    this.#executions = executions;
    this.#pool = pool;
    this.#queues = queues;
  }

  /** One execution, computed from its events, so it is never outdated. */
  async get(request: GetExecutionRequest): Promise<GetExecutionReply> {
    const id = await this.#idOf(request);
    const notFound = refused('not_found', 'There is no such execution.');
    if (id === undefined) return notFound;
    const version = request.atVersion || undefined;
    const { payloads } = request;
    // After the loss of a gateway many queries come at once, so their executions are read together.
    const state =
      version === undefined
        ? await this.#current(request.tenantId, id, payloads === 'listed')
        : await readExecution(this.#executions.source(request.tenantId), id, version);
    if (state === undefined) return (await this.#executions.deleted(request.tenantId, id)) ?? notFound;
    if (state?.started?.tenantId !== request.tenantId) return notFound;
    // An earlier state of a deleted execution is not available either.
    const gone =
      version === undefined ? deletedRejection(state) : (await this.#executions.deleted(request.tenantId, id))?.refused;
    if (gone !== undefined) return { refused: gone };
    if (version !== undefined && version !== state.version) {
      return refused('not_found', `The execution has no version ${version}: its newest is ${state.version}.`);
    }
    const shown = wanted(view(state), payloads);
    // Only the current state shows where tasks wait now.
    const live = version === undefined && (payloads === undefined || !WITHOUT_QUEUE.has(payloads));
    const steps = live ? await this.#queues.marked(state, shown.steps) : shown.steps;
    return { execution: payloads === 'listed' ? listedView(shown) : fitView({ ...shown, steps }, REPLY_BYTES) };
  }

  /** `small`: large payloads are not read. */
  #current(tenantId: string, id: string, small: boolean): Promise<State | undefined> {
    return small ? this.#executions.currentSmall(tenantId, id) : this.#executions.current(tenantId, id);
  }

  /** One step with its agent's input, computed from the log, and every attempt. */
  async step(request: GetStepRequest): Promise<GetStepReply> {
    const { tenantId, executionId, stepId, attemptsOnly } = request;
    const state = isUuid(executionId) ? await this.#current(tenantId, executionId, attemptsOnly) : undefined;
    if (state?.started?.tenantId !== request.tenantId) return refused('not_found', 'There is no such execution.');
    const gone = deletedRejection(state);
    if (gone !== undefined) return { refused: gone };
    const index = state.config.unitIndex.get(stepId);
    const unit = index === undefined || index >= state.config.stepCount ? undefined : state.config.units[index];
    if (unit === undefined) return refused('step_not_found', `The execution has no step "${stepId}".`);
    const attempts = await this.#attempts(tenantId, executionId, stepId, state.version);
    if (attemptsOnly) {
      const step = fitStep(withoutLeftOut(stepView(state, unit)), LARGEST_STEP);
      return { status: state.status, version: state.version, attempts: fittingAttempts(attempts.all), step };
    }
    const { scheduledVersion } = attempts;
    const source = this.#executions.source(tenantId);
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
    const state = isUuid(executionId) ? await this.#executions.current(tenantId, executionId) : undefined;
    if (state?.started?.tenantId !== tenantId) {
      return { ...nothing, ...refused('not_found', 'There is no such execution.') };
    }
    const gone = deletedRejection(state);
    if (gone !== undefined) return { ...nothing, refused: gone };
    const queries = this.#pool.seen({ tenantId });
    if (stepId === '') return stepsWithOutput(state, queries);
    const unknown = refused('step_not_found', `The execution has no step "${stepId}".`);
    return (await readStream(state, request, queries)) ?? { ...nothing, ...unknown };
  }

  /** A part of one payload, for payloads that are too large for a message. */
  async payload(request: GetPayloadRequest): Promise<GetPayloadReply> {
    const { executionId, stepId, payload, from = 0 } = request;
    const version = request.atVersion || undefined;
    const notFound = refused('not_found', 'There is no such execution.');
    if (!isUuid(executionId)) return notFound;
    let value: JsonValue | undefined;
    if (payload === 'event') {
      const gone = await this.#executions.deleted(request.tenantId, executionId);
      if (gone !== undefined) return gone;
      const found = await this.#event(request.tenantId, executionId, version ?? 1);
      if (found === undefined) return notFound;
      if (found === 'none') return refused('not_found', `The execution has no event with version ${version ?? 1}.`);
      value = found as unknown as JsonValue;
    } else {
      const gone = await this.#executions.deleted(request.tenantId, executionId);
      if (gone !== undefined) return gone;
      const source = this.#executions.source(request.tenantId);
      const state = await readExecution(source, executionId, version);
      if (state?.started?.tenantId !== request.tenantId) return notFound;
      value = await this.#payload(source, state, stepId ?? '', payload);
      if (value === undefined) return refused('step_not_found', `The execution has no step "${stepId ?? ''}".`);
    }
    const text = JSON.stringify(value);
    const end = from + PART_CHARACTERS;
    return { text: text.slice(from, end), ...(end < text.length ? { nextFrom: end } : {}) };
  }

  /** One event of the tenant's execution. Undefined when there is no such execution. */
  async #event(tenantId: string, executionId: string, version: number): Promise<Event | 'none' | undefined> {
    const { reader } = this.#executions.source(tenantId);
    const [[first], [event]] = await Promise.all([
      this.#executions.smallSource(tenantId).reader.readEvents(executionId, 1, 1),
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
    const tenantId = state.started?.tenantId ?? '';
    const { scheduledVersion } = await this.#attempts(tenantId, executionId, stepId, state.version);
    const then = await readExecution(source, executionId, scheduledVersion);
    return then === undefined ? null : taskInput(then, stepId);
  }

  async #attempts(tenantId: string, executionId: string, stepId: string, version: number): Promise<StepAttempts> {
    // Attempts have no inputs and outputs.
    const source = this.#executions.smallSource(tenantId);
    const attempts = new StepAttempts(stepId);
    for (let from = 1; from <= version;) {
      const page = await source.reader.readEvents(executionId, from, ATTEMPTS_PAGE);
      for (const event of page) if (event.version <= version) attempts.add(event);
      if (page.length < ATTEMPTS_PAGE) break;
      from += page.length;
    }
    return attempts;
  }

  async #idOf(request: GetExecutionRequest): Promise<string | undefined> {
    if (request.executionId) return isUuid(request.executionId) ? request.executionId : undefined;
    if (!request.traceId) return undefined;
    const { tenantId } = request;
    const { rows } = await this.#pool.seen({ tenantId }).query<{ id: string }>({
      name: 'execution-by-trace',
      text: EXECUTION_BY_TRACE,
      values: [request.tenantId, request.traceId],
    });
    if (rows[0] !== undefined) return rows[0].id;
    // Row level security prevents the use of this index. The answer itself is then read with the tenant's rights.
    const deleted = await this.#pool.seen('everybody').query<{ id: string }>({
      name: 'deleted-by-trace',
      text: DELETED_BY_TRACE,
      values: [request.tenantId, request.traceId],
    });
    return deleted.rows[0]?.id;
  }
}

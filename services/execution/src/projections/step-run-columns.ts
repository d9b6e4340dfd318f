import { isoTime } from '@batuta/contracts';
import type { JsonValue, StepView } from '@batuta/contracts';
import { encodeJson, mayHoldUnstorable, storableJson } from '@batuta/event-store';
import { isTerminal, stepView } from '../domain/index.js';
import type { CompiledConfig, State } from '../domain/index.js';

type Unit = CompiledConfig['units'][number];

/** Of longer outputs only the beginning is stored. The log has the whole output. */
const OUTPUT_CHARACTERS = 64 * 1024;
const LARGEST_COST = 9999.999999;
const LARGEST_INT = 2_147_483_647;
/**
 * Below 2^32 seconds a double keeps the milliseconds, which PostgreSQL rounds to microseconds. Later times would lose
 * them.
 */
const EXACT_AS_SECONDS_MS = 2 ** 32 * 1000;

/** A number in an array literal, or NULL. */
type Item = number | 'NULL';

const numbers = (items: readonly (number | string)[]): string => `{${items.join(',')}}`;
const texts = (items: readonly string[]): string => items.join('\n');

/** What has a row: the steps, and calls of tools that a human decides about, so that lists show who is waited for. */
export function projectedUnits({ units, stepCount, askingUnits }: CompiledConfig): readonly Unit[] {
  const steps = units.length === stepCount ? units : units.slice(0, stepCount);
  return askingUnits.length === 0 ? steps : [...steps, ...askingUnits];
}

/**
 * Rows of orchestration_step_runs as the columns that `SENT_STEP_RUNS` reads: numbers as array literals, and texts
 * joined by line breaks, with an empty text for NULL. Rare fields, and texts that cannot be joined, are in one JSON
 * column.
 */
export class StepRunColumns {
  readonly #executionIds: string[] = [];
  readonly #stepIndexes: number[] = [];
  readonly #versions: number[] = [];
  readonly #latencies: Item[] = [];
  readonly #retryCounts: number[] = [];
  readonly #tokenCounts: number[] = [];
  readonly #costs: number[] = [];
  readonly #startedAt: Item[] = [];
  readonly #completedAt: Item[] = [];
  readonly #stepIds: string[] = [];
  readonly #stepNames: string[] = [];
  readonly #statuses: string[] = [];
  readonly #agentIds: string[] = [];
  readonly #agentVersions: string[] = [];
  readonly #outputs: string[] = [];
  readonly #dependencies: string[] = [];
  readonly #rests: string[] = [];
  /** The rare fields of the row that is being added. */
  #rest: Record<string, JsonValue> | undefined;

  /** The number of rows. */
  get size(): number {
    return this.#executionIds.length;
  }

  /** The parameters $1–$17 of `SENT_STEP_RUNS`. */
  get values(): string[] {
    return [
      numbers(this.#executionIds),
      numbers(this.#stepIndexes),
      numbers(this.#versions),
      numbers(this.#latencies),
      numbers(this.#retryCounts),
      numbers(this.#tokenCounts),
      numbers(this.#costs),
      numbers(this.#startedAt),
      numbers(this.#completedAt),
      texts(this.#stepIds),
      texts(this.#stepNames),
      texts(this.#statuses),
      texts(this.#agentIds),
      texts(this.#agentVersions),
      texts(this.#outputs),
      texts(this.#dependencies),
      texts(this.#rests),
    ];
  }

  /**
   * Adds the steps that changed between two states of an execution. Adds all of them without an earlier state, or when
   * the status changed, because steps of an ended or paused execution are shown differently.
   */
  add(base: State | undefined, state: State): void {
    const all = base === undefined || base.version === 0 || base.status !== state.status || isTerminal(state.status);
    for (const unit of projectedUnits(state.config)) {
      if (!all && base.units.get(unit.index) === state.units.get(unit.index)) continue;
      this.#add(state, stepView(state, unit));
    }
  }

  #add({ executionId, version, started }: State, step: StepView): void {
    this.#rest = undefined;
    this.#executionIds.push(executionId);
    this.#stepIndexes.push(step.stepIndex);
    this.#versions.push(version);
    this.#latencies.push(step.latencyMs ?? 'NULL');
    this.#retryCounts.push(step.retryCount);
    this.#tokenCounts.push(Math.min(step.tokenCount ?? 0, LARGEST_INT));
    this.#costs.push(Math.min(step.estimatedCost ?? 0, LARGEST_COST));
    this.#startedAt.push(this.#time('started_at', step.startedAt));
    this.#completedAt.push(this.#time('completed_at', step.completedAt));
    this.#stepIds.push(this.#text('step_id', step.stepId));
    this.#stepNames.push(this.#text('step_name', step.stepName));
    this.#statuses.push(step.status);
    this.#agentIds.push(this.#text('agent_id', step.agentId));
    this.#agentVersions.push(step.agentVersion === undefined ? '' : this.#text('agent_version', step.agentVersion));
    this.#outputs.push(this.#output(step.output));
    this.#dependencies.push(encodeJson(step.dependencies));
    if (step.failure !== undefined) this.#keep('error_message', step.failure.message);
    if (step.failure?.trace !== undefined) this.#keep('error_trace', step.failure.trace);
    if (step.approval?.status === 'waiting') this.#keepApproval(started, step.approval);
    this.#rests.push(this.#rest === undefined ? '' : encodeJson(this.#rest));
  }

  #keep(column: string, value: JsonValue): void {
    this.#rest ??= {};
    this.#rest[column] = value;
  }

  /** The fields for the list of waiting approvals. Removed when nobody waits any more. */
  #keepApproval(started: State['started'], approval: NonNullable<StepView['approval']>): void {
    this.#keep('approval_tenant_id', started?.tenantId ?? '');
    this.#keep('approval_config_id', started?.configId ?? '');
    this.#keep('approval_config_name', started?.configName ?? '');
    if (approval.requestedAt !== 0) this.#keep('approval_requested_at', isoTime(approval.requestedAt));
    if (approval.deadlineAt !== undefined) this.#keep('approval_deadline_at', isoTime(approval.deadlineAt));
    this.#keep('approval_message', approval.message);
    if (approval.approvers !== undefined) this.#keep('approval_approvers', approval.approvers);
  }

  #text(column: string, text: string): string {
    if (text !== '' && !text.includes('\n')) return storableJson(text);
    this.#keep(column, text);
    return '';
  }

  #time(column: string, ms: number | undefined): Item {
    if (ms === undefined || ms === 0) return 'NULL';
    if (ms < EXACT_AS_SECONDS_MS) return ms;
    this.#keep(column, isoTime(ms));
    return 'NULL';
  }

  /** A null output is stored as absent. */
  #output(output: JsonValue | undefined): string {
    if (output === undefined || output === null) return '';
    const json = JSON.stringify(output);
    if (json.length > OUTPUT_CHARACTERS) {
      this.#keep('output_truncated', true);
      return encodeJson(json.slice(0, OUTPUT_CHARACTERS));
    }
    return mayHoldUnstorable(json) ? encodeJson(output) : json;
  }
}

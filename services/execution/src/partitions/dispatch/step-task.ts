import { subjects } from '@batuta/contracts';
import type { Priority, Task } from '@batuta/contracts';
import { spanIds, traceparentOf } from '@batuta/observability';
import { isAttemptWanted, jsonLength, priorityOf } from '../../domain/index.js';
import type { State } from '../../domain/index.js';
import type { HotExecution } from '../lane/partition.js';
import type { OutgoingTask } from '../ports/ports.js';

const TRACE_ID = /^[0-9a-f]{32}$/;
/** Approximate characters of a task besides its input. */
const SCALARS_LENGTH = 500;

/** The subject of an attempt's task in the work queue. */
export function taskSubject(state: State, stepId: string, pool: string): string | undefined {
  const unit = state.config.units[state.config.unitIndex.get(stepId) ?? -1];
  if (unit === undefined) return undefined;
  return subjects.step(pool, priorityOf(state), unit.agent, state.executionId, stepId);
}

/** A task for the bus. The parts that only the work queue needs are built when the task goes there. */
export class StepTask implements OutgoingTask {
  readonly #execution: HotExecution;
  readonly length: number;

  constructor(
    readonly task: Task,
    readonly attemptKey: string,
    readonly pool: string,
    readonly priority: Priority,
    readonly again: boolean,
    readonly lostRunners: number,
    execution: HotExecution,
  ) {
    this.#execution = execution;
    this.length = SCALARS_LENGTH + jsonLength(task.input);
  }

  isWanted(): boolean {
    const { committed, partition } = this.#execution;
    if (!partition.owned) return false;
    // The execution was evicted meanwhile. The runner asks before it begins.
    if (committed === undefined) return !partition.endedLately(this.task.executionId);
    return isAttemptWanted(committed, this.task.stepId, this.task.attempt);
  }

  get subject(): string {
    const { agent, executionId, stepId } = this.task;
    return subjects.step(this.pool, this.priority, agent, executionId, stepId);
  }

  get messageId(): string {
    return `${this.attemptKey}/${this.task.dispatch}`;
  }
}

/**
 * The attempt's W3C trace context: the execution's trace, the span of the attempt's run, and whether it is recorded.
 */
export function taskTraceparent(
  state: State,
  stepId: string,
  attempt: number,
  sampled: ((traceId: string) => boolean) | undefined,
): string | undefined {
  const { started } = state;
  if (started === undefined || !TRACE_ID.test(started.traceId)) return undefined;
  const recorded = sampled === undefined ? started.traceparent?.endsWith('-01') === true : sampled(started.traceId);
  return traceparentOf(started.traceId, spanIds.run(stepId, attempt), recorded);
}

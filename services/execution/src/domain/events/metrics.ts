import type { IterationCompleted, ModelAnswered, StepAttemptFailed, StepCompleted } from '@batuta/contracts';
import type { State } from '../state/state.js';
import type { Measure } from './definition.js';

/** A metric that events count in. The engine registers it, and nothing is counted here. */
export interface Metric {
  readonly type: 'counter' | 'distribution';
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** For a distribution. Default: durations in seconds. */
  readonly buckets?: readonly number[];
  /** How many combinations of label values are distinguished. */
  readonly most?: number;
  /** Label values that are shown as 0 from the beginning. */
  readonly from?: readonly string[];
}

const EXECUTIONS: Metric = {
  type: 'counter',
  name: 'batuta_executions_total',
  help: 'Executions that came to a status',
  labels: ['status'],
  from: [
    'started',
    'completed',
    'failed',
    'cancelled',
    'paused',
    'resumed',
    'retried',
    'compensation',
    'deleted',
    'restored',
  ],
};

const EXECUTION_SECONDS: Metric = {
  type: 'distribution',
  name: 'batuta_execution_seconds',
  help: 'Time of executions, from start to end',
  labels: [],
  from: [],
};

/** Counts executions that reached a status. */
export function executionsThat(status: string): { readonly metrics: readonly Metric[]; readonly of: () => Measure[] } {
  return { metrics: [EXECUTIONS], of: () => [{ metric: EXECUTIONS, labels: [status], value: 1 }] };
}

/** Counts executions that ended, and their durations. */
export function executionsEnded(status: string): {
  readonly metrics: readonly Metric[];
  readonly of: (data: unknown, state: State, at: number) => Measure[];
} {
  return {
    metrics: [EXECUTIONS, EXECUTION_SECONDS],
    of: (_data, state, at) => [
      { metric: EXECUTIONS, labels: [status], value: 1 },
      { metric: EXECUTION_SECONDS, labels: [], value: Math.max(0, at - state.createdAt) / 1_000 },
    ],
  };
}

const RUN_SECONDS: Metric = {
  type: 'distribution',
  name: 'batuta_step_run_seconds',
  help: 'Time of attempts, from the agent’s start to its end',
  labels: ['agent'],
};
const QUEUE_SECONDS: Metric = {
  type: 'distribution',
  name: 'batuta_step_queue_seconds',
  help: 'Time that attempts waited for a runner',
  labels: ['agent'],
};
const ATTEMPTS: Metric = {
  type: 'counter',
  name: 'batuta_step_attempts_total',
  help: 'Attempts that ended',
  labels: ['agent', 'outcome'],
  most: 400,
};
const RETRIES: Metric = {
  type: 'counter',
  name: 'batuta_step_retries_total',
  help: 'Attempts that failed and are tried again',
  labels: ['agent'],
};
const TOKENS: Metric = {
  type: 'counter',
  name: 'batuta_tokens_total',
  help: 'Tokens that agents reported',
  labels: ['agent'],
};
const COST: Metric = {
  type: 'counter',
  name: 'batuta_cost_total',
  help: 'Cost that agents reported',
  labels: ['agent'],
};

function ofAttempt(
  data: Readonly<StepCompleted | StepAttemptFailed | ModelAnswered | IterationCompleted>,
  state: State,
): Measure[] {
  const index = state.config.unitIndex.get(data.stepId) ?? -1;
  const unit = state.config.units[index];
  // Work without an agent is not an attempt.
  if (unit === undefined || unit.agent === '' || data.attempt === 0) {
    return [];
  }
  const labels: [string] = [unit.agent];
  const measures: Measure[] = [];
  if (data.startedAt > 0) {
    measures.push({ metric: RUN_SECONDS, labels, value: Math.max(0, data.finishedAt - data.startedAt) / 1_000 });
    const current = state.units.get(index);
    // If the next attempt was scheduled at once, it has replaced this attempt's time.
    if (current !== undefined && current.attempt === data.attempt) {
      measures.push({
        metric: QUEUE_SECONDS,
        labels,
        value: Math.max(0, data.startedAt - current.scheduledAt) / 1_000,
      });
    }
  }
  const failed = 'failure' in data;
  const { tokenCount = 0, estimatedCost = 0 } = data;
  // Zeros too, because a rate is correct from the first attempt on only when the series begins at 0.
  measures.push(
    { metric: TOKENS, labels, value: tokenCount },
    { metric: COST, labels, value: estimatedCost },
    { metric: ATTEMPTS, labels: [unit.agent, 'completed'], value: failed ? 0 : 1 },
    { metric: ATTEMPTS, labels: [unit.agent, 'failed'], value: failed ? 1 : 0 },
    { metric: RETRIES, labels, value: failed && data.retryAt !== undefined ? 1 : 0 },
  );
  return measures;
}

/** Counts attempts of agents: waiting time, duration, spending and outcome. */
export const attemptMeasures = {
  metrics: [RUN_SECONDS, QUEUE_SECONDS, ATTEMPTS, RETRIES, TOKENS, COST],
  of: ofAttempt,
};

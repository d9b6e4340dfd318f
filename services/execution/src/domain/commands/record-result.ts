import { FAILURE_CODES, LIMITS, type AttemptResult, type Failure, type StepCompleted } from '@batuta/contracts';
import type { FailAttempt, Outcome, RecordResult } from './command.js';
import type { Draft } from '../draft.js';
import { kindOf } from '../kinds/index.js';
import { iterationCompleted } from '../repeat/iterate.js';
import { callGiven } from '../kinds/llm/call-given.js';
import { compiledUnit } from '../state/nodes.js';
import { jsonBytesBeyond } from '../structures/json.js';
import { spendingProblem, takeFailureSpending, takeSpending } from '../budget/spending.js';
import { isTerminal, unitState, type State } from '../state/state.js';

/** Whether the log has the runner's report on an attempt. */
function wasReported(state: State, index: number, attempt: number): boolean {
  const unit = unitState(state, index);
  const outstanding = attempt === unit.attempt && unit.phase === 'running';
  return attempt >= 1 && attempt <= unit.attempt && !outstanding && !unit.unreported.includes(attempt);
}

function isOutstanding(state: State, index: number, attempt: number): boolean {
  const unit = unitState(state, index);
  return !isTerminal(state.status) && unit.phase === 'running' && unit.attempt === attempt;
}

function moment(value: number, otherwise: number): number {
  return Number.isFinite(value) && value > 0 ? value : otherwise;
}

function failureOf(result: AttemptResult): Failure {
  return result.failure ?? { code: FAILURE_CODES.agentError, message: 'the agent gave no reason', retryable: true };
}

/** Records the outcome of an attempt. Only the first one counts. */
export function recordResult(draft: Draft, command: RecordResult): Outcome {
  const { result } = command;
  const index = draft.state.config.unitIndex.get(result.stepId);
  if (draft.state.started === undefined || index === undefined) {
    return 'unknown';
  }
  if (!isOutstanding(draft.state, index, result.attempt)) {
    return wasReported(draft.state, index, result.attempt) ? 'recorded' : 'stale';
  }
  const startedAt = moment(result.startedAt, unitState(draft.state, index).scheduledAt);
  const finishedAt = Math.max(startedAt, moment(result.finishedAt, command.at));
  if (!result.ok) {
    const { failure, spending } = takeFailureSpending(failureOf(result));
    draft.failAttempt(index, failure, { startedAt, finishedAt, ...spending }, false);
    return 'recorded';
  }
  const { output, spending } = takeSpending(result.output);
  const bytes = jsonBytesBeyond(LIMITS.payloadBytes, result.output);
  if (bytes !== undefined) {
    const message = `the output has ${bytes} bytes, the limit is ${LIMITS.payloadBytes}`;
    const failure = { code: FAILURE_CODES.outputTooLarge, message, retryable: false };
    draft.failAttempt(index, failure, { startedAt, finishedAt, ...spending }, false);
    return 'recorded';
  }
  const problem = spendingProblem(result.output);
  if (problem !== undefined) {
    // Like any output that does not fit: another attempt may give a better one.
    const failure = { code: FAILURE_CODES.outputInvalid, message: `the output's ${problem}`, retryable: true };
    draft.failAttempt(index, failure, { startedAt, finishedAt, ...spending }, false);
    return 'recorded';
  }
  const { agentVersion, attempt, stepId } = result;
  // Keys in ascending order, as they are stored, so that most need no sorting. Two literals, because one literal with
  // an optional part takes three times the memory.
  const data: StepCompleted = agentVersion
    ? { agentVersion, attempt, finishedAt, output, startedAt, stepId }
    : { attempt, finishedAt, output, startedAt, stepId };
  const unit = compiledUnit(draft.state, index);
  if (unit.repeat !== undefined) {
    iterationCompleted(draft, unit, Object.assign(data, spending));
    return 'recorded';
  }
  const { finished } = kindOf(unit);
  if (finished !== undefined) {
    finished(draft, unit, unit.work.rules, Object.assign(data, spending));
    return 'recorded';
  }
  draft.emit({ type: 'StepCompleted', data: Object.assign(data, spending) });
  if (unit.caller !== -1) callGiven(draft, unit);
  return 'recorded';
}

/** Records that the engine itself cannot run an attempt. */
export function failAttempt(draft: Draft, command: FailAttempt): Outcome {
  const index = draft.state.config.unitIndex.get(command.stepId);
  if (draft.state.started === undefined || index === undefined) {
    return 'unknown';
  }
  if (!isOutstanding(draft.state, index, command.attempt)) {
    return 'stale';
  }
  draft.failAttempt(index, command.failure, draft.engineTimes(index), true);
  return 'recorded';
}

import {
  FAILURE_CODES,
  LIMITS,
  type AttemptResult,
  type Failure,
  type JsonObject,
  type JsonValue,
  type StepCompleted,
} from '@batuta/contracts';
import type { FailAttempt, Outcome, RecordResult } from '../commands.js';
import type { Draft } from '../draft.js';
import { isObject, jsonBytes, setOwn } from '../json.js';
import { isTerminal, unitState, type State } from '../state.js';

const MAX_TOKENS = 2_147_483_647;

/** Whether the log has what the runner said about an attempt. */
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

function amount(value: JsonValue | undefined, most: number): number {
  return typeof value === 'number' && value > 0 ? Math.min(value, most) : 0;
}

type Spending = Pick<StepCompleted, 'tokenCount' | 'inputTokens' | 'outputTokens' | 'estimatedCost'>;

/** `_tokens` is their number, or `{input, output}` for the two kinds. */
function tokensOf(value: JsonValue | undefined): Spending {
  const inputTokens = isObject(value) ? Math.round(amount(value.input, MAX_TOKENS)) : 0;
  const outputTokens = isObject(value) ? Math.round(amount(value.output, MAX_TOKENS)) : 0;
  const tokenCount = Math.min(MAX_TOKENS, inputTokens + outputTokens) || Math.round(amount(value, MAX_TOKENS));
  return {
    ...(tokenCount > 0 ? { tokenCount } : {}),
    ...(inputTokens > 0 ? { inputTokens } : {}),
    ...(outputTokens > 0 ? { outputTokens } : {}),
  };
}

const NOTHING_SPENT: Spending = {};

/** An agent tells what it spent in `_tokens` and `_cost`; they are not part of its output. */
export function takeSpending(output: JsonValue | undefined): { output: JsonValue; spending: Spending } {
  if (!isObject(output) || !(Object.hasOwn(output, '_tokens') || Object.hasOwn(output, '_cost'))) {
    return { output: output ?? null, spending: NOTHING_SPENT };
  }
  const rest: JsonObject = {};
  for (const key of Object.keys(output)) {
    if (key !== '_tokens' && key !== '_cost') {
      setOwn(rest, key, output[key] as JsonValue);
    }
  }
  const estimatedCost = amount(output._cost, Number.MAX_SAFE_INTEGER);
  return {
    output: rest,
    spending: { ...tokensOf(output._tokens), ...(estimatedCost > 0 ? { estimatedCost } : {}) },
  };
}

function failureOf(result: AttemptResult): Failure {
  return result.failure ?? { code: FAILURE_CODES.agentError, message: 'the agent gave no reason', retryable: true };
}

/** Records the outcome of an attempt, the first one only. */
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
    draft.failAttempt(index, failureOf(result), { startedAt, finishedAt }, false);
    return 'recorded';
  }
  const bytes = jsonBytes(result.output);
  if (bytes > LIMITS.payloadBytes) {
    const message = `the output has ${bytes} bytes, the limit is ${LIMITS.payloadBytes}`;
    const failure = { code: FAILURE_CODES.outputTooLarge, message, retryable: false };
    draft.failAttempt(index, failure, { startedAt, finishedAt }, false);
    return 'recorded';
  }
  const { output, spending } = takeSpending(result.output);
  draft.emit({
    type: 'StepCompleted',
    data: {
      stepId: result.stepId,
      attempt: result.attempt,
      output,
      startedAt,
      finishedAt,
      ...spending,
      ...(result.agentVersion ? { agentVersion: result.agentVersion } : {}),
    },
  });
  return 'recorded';
}

/** Records that the engine itself cannot get an attempt done. */
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

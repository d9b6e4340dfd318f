import { FAILURE_CODES, LIMITS, uuidV5 } from '@batuta/contracts';
import type { Budget, EndMessage, Failure, JsonValue } from '@batuta/contracts';
import { budgetOf } from '../../budget/budget.js';
import type { Draft } from '../../draft.js';
import type { Unit } from '../../graph/compiled.js';
import { iterationCompleted } from '../../repeat/iterate.js';
import { unitInput } from '../../expressions/inputs.js';
import { unitState, type State } from '../../state/state.js';
import { waitsForChild } from '../../state/unit-state.js';
import { canonicalJson, jsonBytesBeyond } from '../../structures/json.js';
import { textName } from '../../structures/random.js';
import { callGiven } from '../llm/call-given.js';
import { endChunk } from '../map/end-chunk.js';
import type { AttemptOfChild, ChildState } from './child-state.js';
import { orchestrationOf, type OrchestrationRules } from './rules.js';

/** The rest of the execution's budget for a child. Undefined without a budget. */
function whatIsLeft(state: State): Budget | undefined {
  const { maxTokens, maxCost } = budgetOf(state);
  if (maxTokens === undefined && maxCost === undefined) {
    return undefined;
  }
  // On the wire 0 means no limit. When nothing is left, the smallest number ends the child at its first cost.
  return {
    ...(maxTokens === undefined ? {} : { maxTokens: Math.max(1, maxTokens - state.spentTokens) }),
    ...(maxCost === undefined ? {} : { maxCost: Math.max(1e-9, maxCost - state.spentCost) }),
  };
}

/** It is the step's turn, so it needs a child. The child of an earlier run continues if it would get the same input. */
export function requestChild(draft: Draft, unit: Unit, rules: OrchestrationRules, input: JsonValue): void {
  const { state } = draft;
  const fail = (code: string, message: string): void => draft.failStep(unit.index, { code, message, retryable: false });
  const bytes = jsonBytesBeyond(LIMITS.payloadBytes, input);
  if (bytes !== undefined) {
    return fail(
      FAILURE_CODES.inputTooLarge,
      `the child's input has ${bytes} bytes, the limit is ${LIMITS.payloadBytes}`,
    );
  }
  if ((state.started?.parent?.depth ?? 0) >= LIMITS.executionDepth) {
    return fail(
      FAILURE_CODES.nestedTooDeep,
      `executions are nested ${LIMITS.executionDepth} deep, which is the limit: does config ${rules.config} start itself, directly or through others?`,
    );
  }
  const inputKey = textName(canonicalJson(input));
  const before = unitState(state, unit.index).child;
  // The next iteration has a child of its own, also when it is given the same.
  const isDone = before?.ended === 'deleted' || (unit.repeat !== undefined && before?.ended === 'completed');
  // So has another call of a tool.
  const resumed = unit.kind === 'step' && before !== undefined && !isDone && before.inputKey === inputKey;
  emitRequest(draft, unit, rules, {
    inputKey,
    number: resumed ? before.number : (before?.number ?? 0) + 1,
    resumed,
  });
}

function emitRequest(
  draft: Draft,
  unit: Unit,
  { config, configVersion }: Pick<OrchestrationRules, 'config' | 'configVersion'>,
  {
    inputKey,
    number,
    resumed,
    attempt,
    chunk,
  }: Pick<ChildState, 'inputKey' | 'number' | 'resumed'> & {
    readonly attempt?: ChildState['attempt'];
    readonly chunk?: ChildState['chunk'];
  },
): void {
  const budget = whatIsLeft(draft.state);
  draft.emit({
    type: 'ChildRequested',
    data: {
      ...(attempt === undefined ? {} : { attempt: attempt.number, configId: attempt.configId }),
      ...(budget === undefined ? {} : { budget }),
      childId: uuidV5(
        draft.state.executionId,
        `${chunk === undefined ? unit.id : chunkName(draft, unit, chunk)}/${number}`,
      ),
      ...(chunk === undefined ? {} : { chunk: chunk + 1 }),
      config,
      ...(configVersion === 0 ? {} : { configVersion }),
      inputKey,
      number,
      ...(resumed ? { resumed } : {}),
      stepId: unit.id,
    },
  });
}

/** The child of an earlier run cannot go on: another one begins in its place. */
export function replaceChild(draft: Draft, unit: Unit, { inputKey, number, config, attempt, chunk }: ChildState): void {
  const configVersion = attempt?.version ?? orchestrationOf(unit)?.configVersion ?? 0;
  emitRequest(draft, unit, { config, configVersion }, { inputKey, number: number + 1, resumed: false, attempt, chunk });
}

/** Any lane may work on a chunk, so the chunk and not the lane names the child. */
function chunkName({ state }: Draft, lane: Unit, chunk: number): string {
  const number = lane.caller === -1 ? 0 : (unitState(state, lane.caller).map?.number ?? 0);
  return `${state.config.units[lane.caller]?.id ?? ''}:${number}:${chunk}`;
}

/** A lane of a step with a map gets a chunk. The child of an earlier run continues with the items without a result. */
export function requestChunk(draft: Draft, step: Unit, lane: Unit, chunk: number): void {
  const map = unitState(draft.state, step.index).map;
  const number = map?.chunks[chunk]?.child ?? 0;
  const config = orchestrationOf(lane)?.config ?? '';
  const given = { inputKey: map?.itemsKey ?? '', number: Math.max(1, number), resumed: number > 0, chunk };
  emitRequest(draft, lane, { config, configVersion: 0 }, given);
}

/** The agent of a running attempt is made of a model: a child makes the attempt. */
export function delegateAttempt(
  draft: Draft,
  unit: Unit,
  { configId, version }: { readonly configId: string; readonly version: number },
): void {
  const { state } = draft;
  const { attempt, child } = unitState(state, unit.index);
  if ((state.started?.parent?.depth ?? 0) >= LIMITS.executionDepth) {
    const message = `executions are nested ${LIMITS.executionDepth} deep, which is the limit: does the agent ${unit.agent} call itself, directly or through others?`;
    const failure = { code: FAILURE_CODES.nestedTooDeep, message, retryable: false };
    draft.failAttempt(unit.index, failure, draft.engineTimes(unit.index), true);
    return;
  }
  const inputKey = textName(canonicalJson(unitInput(state, unit)?.value ?? null));
  emitRequest(
    draft,
    unit,
    { config: unit.agent, configVersion: version },
    {
      inputKey,
      number: (child?.number ?? 0) + 1,
      resumed: false,
      attempt: { number: attempt, configId, version, deadlineAt: 0 },
    },
  );
}

/** What a child that makes an attempt comes to is what the attempt comes to. */
function endAttempt(draft: Draft, unit: Unit, child: ChildState, attempt: AttemptOfChild, end: EndMessage): void {
  const times = { startedAt: unitState(draft.state, unit.index).startedAt, finishedAt: draft.at };
  const failure = failureOf(child, end);
  if (failure !== undefined) {
    draft.failAttempt(unit.index, end.failure === undefined ? failure : causeOf(failure, end.failure), times, false);
    return;
  }
  const output = end.output ?? null;
  const data = { agentVersion: String(attempt.version), attempt: attempt.number, output, stepId: unit.id, ...times };
  if (unit.repeat !== undefined) {
    iterationCompleted(draft, unit, data);
    return;
  }
  draft.emit({ type: 'StepCompleted', data });
  callGiven(draft, unit);
}

/** An agent fails for its own reason: that its attempt was an execution says nothing of it. */
function causeOf({ message, details }: Failure, { code, retryable }: Failure): Failure {
  return { code, message, retryable, ...(details === undefined ? {} : { details }) };
}

/** Records the reported end of the child, and its effect on the step if the step waits for it. */
export function endChild(draft: Draft, unit: Unit, child: ChildState, end: EndMessage): void {
  const tokens = Math.max(0, (end.tokenCount ?? 0) - child.counted.tokens);
  const cost = Math.max(0, (end.estimatedCost ?? 0) - child.counted.cost);
  draft.emit({
    type: 'ChildEnded',
    data: {
      childId: child.id,
      ...(cost > 0 ? { estimatedCost: cost } : {}),
      status: end.deleted === true ? 'deleted' : end.status,
      stepId: unit.id,
      ...(tokens > 0 ? { tokenCount: tokens } : {}),
    },
  });
  const current = unitState(draft.state, unit.index);
  const { scheduledAt, startedAt } = current;
  if (!waitsForChild(current)) {
    return;
  }
  if (unit.kind === 'lane') {
    const stopped = failureOf(child, end) ?? NOT_DONE;
    if (endChunk(draft, unit, end) === 'stopped') draft.failStep(unit.caller, stopped);
    return;
  }
  if (child.attempt !== undefined) {
    endAttempt(draft, unit, child, child.attempt, end);
    return;
  }
  const failure = failureOf(child, end);
  if (failure !== undefined) {
    draft.failStep(unit.index, failure);
    return;
  }
  const data = { attempt: 0, finishedAt: draft.at, output: end.output ?? null, startedAt, stepId: unit.id };
  if (unit.repeat === undefined) {
    draft.emit({ type: 'StepCompleted', data });
  } else {
    iterationCompleted(draft, unit, { ...data, startedAt: scheduledAt });
  }
  callGiven(draft, unit);
}

const NOT_DONE: Failure = {
  code: FAILURE_CODES.childFailed,
  message: 'a chunk has ended without an outcome of each of its items',
  retryable: false,
};

/** Why the step fails with its child. Undefined when the child has completed. */
function failureOf({ id, config, started }: ChildState, { status, failure, deleted }: EndMessage): Failure | undefined {
  const name = started?.configName ?? config;
  const named = `execution ${id} of config ${name}`;
  const details = { execution_id: id, config: name };
  if (deleted === true) {
    const message = `${named} was deleted before its end was told`;
    return { code: FAILURE_CODES.childDeleted, message, retryable: false, details };
  }
  switch (status) {
    case 'completed':
      return undefined;
    case 'failed':
      return {
        code: FAILURE_CODES.childFailed,
        message: `${named} failed (${failure?.code ?? 'unknown'}): ${failure?.message ?? ''}`,
        retryable: false,
        details: { ...details, ...(failure === undefined ? {} : { code: failure.code }) },
      };
    case 'cancelled':
      return { code: FAILURE_CODES.childCancelled, message: `${named} was cancelled`, retryable: false, details };
    default:
      return status satisfies never;
  }
}

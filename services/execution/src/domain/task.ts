import type { Task } from '@batuta/contracts';
import type { Unit } from './graph/compiled.js';
import { modelCallInput } from './kinds/llm/model-call.js';
import { taskInput } from './expressions/inputs.js';
import { unitState, type State } from './state/state.js';

/** Facts about a dispatch that the runtime knows and the domain does not. */
export interface Dispatch {
  readonly partition: number;
  /** More than 1 when the attempt was sent before. */
  readonly dispatch: number;
  readonly checkFirst: boolean;
}

/** The message for the running attempt of a step. Undefined for a step that the config does not have. */
export function taskOf(state: State, stepId: string, { partition, dispatch, checkFirst }: Dispatch): Task | undefined {
  const index = state.config.unitIndex.get(stepId);
  const unit = index === undefined ? undefined : state.config.units[index];
  if (unit === undefined) {
    return undefined;
  }
  const { attempt, scheduledAt, conversation, call, loop } = unitState(state, unit.index);
  const asksModel = unit.work.kind === 'llm';
  // Of a conversation each call, and of a loop each iteration, is something else, and only its own attempts are the same again.
  const number = asksModel
    ? (conversation?.turn ?? 0) + 1
    : unit.repeat === undefined
      ? call && call.since + 1
      : (loop?.done ?? 0) + 1;
  const part = number === undefined ? '' : `/${number}`;
  return {
    executionId: state.executionId,
    stepId: unit.id,
    stepName: unit.name,
    attempt,
    dispatch,
    agent: unit.agent,
    input: asksModel ? modelCallInput(state, unit) : taskInput(state, stepId),
    timeoutMs: unit.timeoutMs,
    idempotencyKey: `${state.executionId}/${unit.id}${part}`,
    tenantId: state.started?.tenantId ?? '',
    partition,
    scheduledAt,
    maxAttempts: unit.retry.maxAttempts,
    executionName: state.config.definition.name,
    ...(unit.heartbeatMs > 0 ? { heartbeatMs: unit.heartbeatMs } : {}),
    ...(unit.heartbeatMs > 0 || unit.scheduleToStartMs > 0 ? { reportStart: true } : {}),
    ...(checkFirst ? { checkFirst } : {}),
    ...(asksModel ? {} : secretsOf(state, unit)),
  };
}

/**
 * Where the input refers to secrets. A global config may belong to another tenant, so it cannot refer to this tenant's
 * secrets.
 */
function secretsOf(state: State, { input }: Unit): Pick<Task, 'secrets'> {
  if (input === undefined || input.secrets.length === 0 || state.config.definition.is_global === true) return {};
  return { secrets: [...input.secrets] };
}

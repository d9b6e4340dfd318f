import type { EndMessage, EventType, JsonValue, StoppedAttempt } from '@batuta/contracts';
import { evaluationOf } from '../expressions/evaluations.js';
import { isTerminal, unitState, type State } from '../state/state.js';

/**
 * What the runtime does after a commit; all of it idempotent.
 * dispatch: put the attempt's task on the queue. stopAttempts: tell runners that these are not wanted any more.
 * evaluate: run the expressions over the context in the sandbox and answer with RecordEvaluation.
 * lifecycle: wake those who follow executions as a whole.
 * send: tell another stream, until it has recorded it.
 */
export type Effect =
  | { readonly type: 'dispatch'; readonly stepId: string; readonly attempt: number }
  | { readonly type: 'stopAttempts'; readonly attempts: readonly StoppedAttempt[] }
  | {
      readonly type: 'evaluate';
      readonly key: string;
      readonly expressions: readonly string[];
      readonly context: JsonValue;
    }
  | { readonly type: 'lifecycle'; readonly event: EventType }
  | { readonly type: 'send'; readonly to: string; readonly message: { readonly ended: EndMessage } };

/** Whether an attempt is outstanding: its task should be on the queue or with a runner. */
export function isAttemptWanted(state: State, stepId: string, attempt: number): boolean {
  const index = state.config.unitIndex.get(stepId);
  if (index === undefined || isTerminal(state.status)) {
    return false;
  }
  const unit = unitState(state, index);
  return unit.phase === 'running' && unit.attempt === attempt;
}

/** Asks the sandbox, as long as the answer is still wanted. */
export function evaluate(state: State, key: string): Effect[] {
  const wanted = isTerminal(state.status) ? undefined : evaluationOf(state, key);
  return wanted === undefined ? [] : [{ type: 'evaluate', key, ...wanted }];
}

export function stopOne(executionId: string, stepId: string, attempt: number, reason: string): Effect {
  return { type: 'stopAttempts', attempts: [{ executionId, stepId, attempt, reason }] };
}

/** Ends whatever of an execution runs anywhere, unless it was taken up again since. */
export function stopAll(executionId: string, stateAfter: State, reason: string): Effect[] {
  return isTerminal(stateAfter.status) ? [{ type: 'stopAttempts', attempts: [{ executionId, reason }] }] : [];
}

/** The effect of an event that those who follow executions as a whole wait for. */
export function lifecycle({ type }: { readonly type: EventType }): Effect[] {
  return [{ type: 'lifecycle', event: type }];
}

/** A step that asked a model is over: the calls of its tools that still run are not wanted any more. */
export function stopPlaces(
  { executionId, data }: { readonly executionId: string; readonly data: { readonly stepId: string } },
  stateAfter: State,
): Effect[] {
  const { units, unitIndex } = stateAfter.config;
  const places = units[unitIndex.get(data.stepId) ?? -1]?.places ?? [];
  const attempts = places.flatMap((place) => {
    const { attempt, unreported } = unitState(stateAfter, place);
    const stepId = units[place]?.id ?? '';
    return attempt > 0 && unreported.includes(attempt)
      ? [{ executionId, stepId, attempt, reason: 'caller_ended' }]
      : [];
  });
  return attempts.length === 0 ? [] : [{ type: 'stopAttempts', attempts }];
}

/** Tells the stream that asked for it how the execution has ended. */
export function tellEnd({ status, started, completedAt }: State): Effect[] {
  const to = started?.endTo;
  if (to === undefined || !isTerminal(status)) return [];
  return [{ type: 'send', to, message: { ended: { status: status as EndMessage['status'], at: completedAt } } }];
}

import type { EndMessage, EventType, JsonValue, StoppedAttempt } from '@batuta/contracts';
import { evaluationOf } from '../expressions/evaluations.js';
import { isTerminal, unitState, type State } from '../state/state.js';

/**
 * What the runtime does after a commit; all of it idempotent.
 * dispatch: put the attempt's task on the queue. stopAttempts: tell runners that these are not wanted any more.
 * evaluate: run the expressions over the context in the sandbox and answer with RecordEvaluation.
 * lifecycle: wake those who follow executions as a whole.
 * send: tell another stream, until it has recorded it. startChild: start the child of a step, or take it up again, and answer with
 * RecordChildAnswer. commandChild: tell the child what its parent wants, until it has recorded it. askEnd: ask another execution to tell
 * its end, and answer with RecordDependencyAnswer when it is there.
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
  | { readonly type: 'startChild'; readonly stepId: string; readonly childId: string }
  | { readonly type: 'commandChild'; readonly stepId: string; readonly childId: string; readonly order: number }
  | { readonly type: 'lifecycle'; readonly event: EventType }
  | { readonly type: 'askEnd'; readonly dependencyId: string; readonly order: number }
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

/** Tells the stream that asked for it, and all that wait, how the execution has ended. */
export function tellEnd(state: State): Effect[] {
  const { started, waiters } = state;
  if (waiters === undefined && started?.endTo === undefined) return [];
  const to = started?.endTo;
  const ended = to === undefined ? undefined : endOf(state);
  const sends: Effect[] = to === undefined || ended === undefined ? [] : [{ type: 'send', to, message: { ended } }];
  const told = endForWaiters(state);
  if (told === undefined) return sends;
  return [...sends, ...(waiters ?? []).map((each): Effect => ({ type: 'send', to: each, message: { ended: told } }))];
}

/** What those are told that wait for the execution; undefined while it has not ended. */
export function endForWaiters({ status, completedAt, version }: State): EndMessage | undefined {
  return isTerminal(status) ? { status: status as EndMessage['status'], at: completedAt, version } : undefined;
}

/** How the execution has ended; undefined while it has not. The one that has it as a step is told all that it needs of it. */
export function endOf(state: State): EndMessage | undefined {
  const { status, started, completedAt, version, output, failure, tokenCount, cost } = state;
  if (!isTerminal(status)) return undefined;
  const end = { status: status as EndMessage['status'], at: completedAt };
  if (started?.parent === undefined) return end;
  return {
    ...end,
    version,
    ...(status === 'completed' && output !== undefined ? { output } : {}),
    ...(status === 'failed' && failure !== undefined ? { failure } : {}),
    ...(tokenCount > 0 ? { tokenCount } : {}),
    ...(cost > 0 ? { estimatedCost: cost } : {}),
    // Of a deleted one whose events are removed nobody knows more than that.
    ...(started.deadlineAt === 0 ? { deleted: true } : {}),
  };
}

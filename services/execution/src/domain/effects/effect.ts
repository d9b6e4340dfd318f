import type { EndMessage, EventType, JsonValue, ReleasePlace, StoppedAttempt } from '@batuta/contracts';
import { evaluationOf } from '../expressions/evaluations.js';
import { chunkReport } from '../kinds/map/chunk.js';
import { isTerminal, unitState, type State } from '../state/state.js';
import { releasesPlace } from './place.js';

/**
 * An action of the runtime after a commit. All of them are idempotent.
 * dispatch: put the attempt's task on the queue.
 * stopAttempts: tell runners that these attempts are not wanted any more.
 * evaluate: run the expressions over the context in the sandbox, and answer with RecordEvaluation.
 * lifecycle: wake the services that follow all executions.
 * send: send a message to another stream until it has recorded it.
 * startChild: start or continue the child of a step, and answer with RecordChildAnswer.
 * commandChild: send the child its parent's command until it has recorded it.
 * askPlace: ask a limiter for a place, and answer with RecordPlace.
 * askEnd: ask another execution to report its end, and answer with RecordDependencyAnswer when it exists.
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
  | { readonly type: 'askPlace'; readonly limiterId: string; readonly order: number }
  | {
      readonly type: 'send';
      readonly to: string;
      readonly message: { readonly ended: EndMessage } | { readonly release: ReleasePlace };
    };

/** Whether an attempt is outstanding: its task should be on the queue or with a runner. */
export function isAttemptWanted(state: State, stepId: string, attempt: number): boolean {
  const index = state.config.unitIndex.get(stepId);
  if (index === undefined || isTerminal(state.status)) {
    return false;
  }
  const unit = unitState(state, index);
  return unit.phase === 'running' && unit.attempt === attempt;
}

/** Asks the sandbox, if the answer is still wanted. */
export function evaluate(state: State, key: string): Effect[] {
  const wanted = isTerminal(state.status) ? undefined : evaluationOf(state, key);
  return wanted === undefined ? [] : [{ type: 'evaluate', key, ...wanted }];
}

export function stopOne(executionId: string, stepId: string, attempt: number, reason: string): Effect {
  return { type: 'stopAttempts', attempts: [{ executionId, stepId, attempt, reason }] };
}

/** Stops everything of an execution that still runs, unless the execution was continued since. */
export function stopAll(executionId: string, stateAfter: State, reason: string): Effect[] {
  return isTerminal(stateAfter.status) ? [{ type: 'stopAttempts', attempts: [{ executionId, reason }] }] : [];
}

/** The effect of an event for services that follow all executions. */
export function lifecycle({ type }: { readonly type: EventType }): Effect[] {
  return [{ type: 'lifecycle', event: type }];
}

/** A step that asked a model is over, so running calls of its tools are not wanted any more. */
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

/**
 * Reports the execution's end to the stream that requested it, to all executions that wait for it, and to the limiter
 * of its place.
 */
export function tellEnd(state: State): Effect[] {
  const { started, waiters, place } = state;
  if (place !== undefined) return [...releasesPlace(state), ...reportEnd(state)];
  return waiters === undefined && started?.endTo === undefined ? [] : reportEnd(state);
}

function reportEnd(state: State): Effect[] {
  const { started, waiters } = state;
  const to = started?.endTo;
  const ended = to === undefined ? undefined : endOf(state);
  const sends: Effect[] = to === undefined || ended === undefined ? [] : [{ type: 'send', to, message: { ended } }];
  const told = endForWaiters(state);
  if (told === undefined) return sends;
  return [...sends, ...(waiters ?? []).map((each): Effect => ({ type: 'send', to: each, message: { ended: told } }))];
}

/** The message to executions that wait for this one. Undefined while it has not ended. */
export function endForWaiters({ status, completedAt, version }: State): EndMessage | undefined {
  return isTerminal(status) ? { status: status as EndMessage['status'], at: completedAt, version } : undefined;
}

/** The end of the execution. Undefined while it has not ended. The parent also gets the output and the spending. */
export function endOf(state: State): EndMessage | undefined {
  const { status, started, completedAt, version, output, failure, tokenCount, cost } = state;
  if (!isTerminal(status)) return undefined;
  const end = { status: status as EndMessage['status'], at: completedAt };
  if (started?.parent === undefined) return end;
  return {
    ...end,
    version,
    ...(state.config.isChunk && started.deadlineAt > 0
      ? { output: chunkReport(state) }
      : status === 'completed' && output !== undefined
        ? { output }
        : {}),
    ...(status === 'failed' && failure !== undefined ? { failure } : {}),
    ...(tokenCount > 0 ? { tokenCount } : {}),
    ...(cost > 0 ? { estimatedCost: cost } : {}),
    // Nothing more is known of a deleted execution whose events are removed.
    ...(started.deadlineAt === 0 ? { deleted: true } : {}),
  };
}

import type { Event, JsonValue, StoppedAttempt } from '@batuta/contracts';
import { evaluationOf, evaluationKey, pendingPurpose } from './expressions/evaluations.js';
import { isTerminal, unitState, type State } from './state/state.js';

/**
 * What the runtime does after a commit; all of it idempotent.
 * dispatch: put the attempt's task on the queue. stopAttempts: tell runners that these are not wanted any more.
 * evaluate: run the expressions over the context in the sandbox and answer with RecordEvaluation.
 * lifecycle: wake those who follow executions as a whole.
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
  | { readonly type: 'lifecycle'; readonly event: Event['type'] };

/** Whether an attempt is outstanding: its task should be on the queue or with a runner. */
export function isAttemptWanted(state: State, stepId: string, attempt: number): boolean {
  const index = state.config.unitIndex.get(stepId);
  if (index === undefined || isTerminal(state.status)) {
    return false;
  }
  const unit = unitState(state, index);
  return unit.phase === 'running' && unit.attempt === attempt;
}

function evaluate(state: State, key: string): Effect[] {
  const wanted = isTerminal(state.status) ? undefined : evaluationOf(state, key);
  return wanted === undefined ? [] : [{ type: 'evaluate', key, ...wanted }];
}

/** Ends whatever of an execution runs anywhere, unless it was taken up again since. */
function stopAll(executionId: string, stateAfter: State, reason: string): Effect[] {
  return isTerminal(stateAfter.status) ? [{ type: 'stopAttempts', attempts: [{ executionId, reason }] }] : [];
}

/** Ends the attempts that a pause interrupted, one by one: those of a resume must not be hit by a late message. */
function stopInterrupted(executionId: string, stateAfter: State): Effect[] {
  const attempts = stateAfter.config.units.flatMap(({ id, index }) => {
    const { phase, attempt } = unitState(stateAfter, index);
    return phase === 'interrupted' ? [{ executionId, stepId: id, attempt, reason: 'paused' }] : [];
  });
  return attempts.length > 0 ? [{ type: 'stopAttempts', attempts }] : [];
}

function stopOne(executionId: string, stepId: string, attempt: number, reason: string): Effect {
  return { type: 'stopAttempts', attempts: [{ executionId, stepId, attempt, reason }] };
}

/** The effects of one event, given the state after its commit; what that state no longer wants is left out. */
export function effectsOf(event: Event, stateAfter: State): Effect[] {
  const { executionId } = event;
  const lifecycle: Effect = { type: 'lifecycle', event: event.type };
  switch (event.type) {
    case 'StepScheduled': {
      const { stepId, attempt } = event.data;
      return isAttemptWanted(stateAfter, stepId, attempt) ? [{ type: 'dispatch', stepId, attempt }] : [];
    }
    case 'EvaluationRequested':
      return evaluate(stateAfter, event.data.key);
    case 'StepAttemptFailed':
      return event.data.byEngine === true
        ? [stopOne(executionId, event.data.stepId, event.data.attempt, event.data.failure.code)]
        : [];
    case 'StepSkipped': {
      const index = stateAfter.config.unitIndex.get(event.data.stepId);
      const unit = index === undefined ? undefined : unitState(stateAfter, index);
      return unit !== undefined && unit.unreported.includes(unit.attempt)
        ? [stopOne(executionId, event.data.stepId, unit.attempt, event.data.reason)]
        : [];
    }
    case 'ExecutionPaused':
      return event.data.now === true ? [...stopInterrupted(executionId, stateAfter), lifecycle] : [lifecycle];
    case 'ExecutionFailed':
    case 'ExecutionCancelled':
      return [
        ...stopAll(executionId, stateAfter, event.type === 'ExecutionFailed' ? 'failed' : 'cancelled'),
        lifecycle,
      ];
    case 'ExecutionStarted':
    case 'ApprovalRequested':
    case 'StepFailed':
    case 'ExecutionResumed':
    case 'ExecutionRetried':
    case 'ExecutionReopened':
    case 'CompensationStarted':
    case 'BudgetExceeded':
    case 'ExecutionCompleted':
      return [lifecycle];
    case 'StepReused':
    case 'StepProgressed':
    case 'StepCompleted':
    case 'ApprovalDecided':
    case 'EvaluationRecorded':
    case 'ConsensusReached':
    case 'ConsensusFailed':
      return [];
    default:
      return event satisfies never;
  }
}

/** Everything outstanding now: what has to be performed again after a takeover or when the queue lost its content. */
export function wantedEffects(state: State): Effect[] {
  if (isTerminal(state.status)) {
    return [];
  }
  const effects: Effect[] = [];
  for (const unit of state.config.units) {
    const current = unitState(state, unit.index);
    if (current.phase === 'running') {
      effects.push({ type: 'dispatch', stepId: unit.id, attempt: current.attempt });
    } else if (current.phase === 'evaluating') {
      effects.push(...evaluate(state, evaluationKey(pendingPurpose(state, unit), unit.id)));
    }
    if (current.ballot === 'evaluating') {
      effects.push(...evaluate(state, evaluationKey('vote', unit.id)));
    }
  }
  if (state.evaluatingOutput) {
    effects.push(...evaluate(state, evaluationKey('output', '')));
  }
  return effects;
}

import type { Event, EventData, EventType } from '@batuta/contracts';
import { isOutsideCommand } from './commands/command.js';
import { applyApprovalDecided, applyApprovalRequested } from './evolve-approval.js';
import { applyConsensusFailed, applyConsensusReached } from './evolve-group.js';
import {
  applyEvaluationRecorded,
  applyEvaluationRequested,
  applyStepAttemptFailed,
  applyStepCompleted,
  applyStepFailed,
  applyStepProgressed,
  applyStepReused,
  applyStepScheduled,
  applyStepSkipped,
} from './evolve-step.js';
import {
  applyBudgetExceeded,
  applyCompensationStarted,
  applyExecutionCancelled,
  applyExecutionCompleted,
  applyExecutionFailed,
  applyExecutionPaused,
  applyExecutionReopened,
  applyExecutionResumed,
  applyExecutionStarted,
} from './evolve-execution.js';
import { applyExecutionRetried } from './evolve-retried.js';
import { copyState, type Next, type State } from './state/state.js';
import { dropStaleTimers } from './state/timers.js';

type Reducers = { readonly [T in EventType]: (next: Next, data: Readonly<EventData[T]>, event: Event) => void };

const reducers: Reducers = {
  ExecutionStarted: applyExecutionStarted,
  StepReused: applyStepReused,
  StepScheduled: applyStepScheduled,
  StepProgressed: applyStepProgressed,
  StepCompleted: applyStepCompleted,
  StepAttemptFailed: applyStepAttemptFailed,
  StepFailed: applyStepFailed,
  StepSkipped: applyStepSkipped,
  ApprovalRequested: applyApprovalRequested,
  ApprovalDecided: applyApprovalDecided,
  EvaluationRequested: applyEvaluationRequested,
  EvaluationRecorded: applyEvaluationRecorded,
  ConsensusReached: applyConsensusReached,
  ConsensusFailed: applyConsensusFailed,
  ExecutionPaused: applyExecutionPaused,
  ExecutionResumed: applyExecutionResumed,
  BudgetExceeded: applyBudgetExceeded,
  CompensationStarted: applyCompensationStarted,
  ExecutionCompleted: applyExecutionCompleted,
  ExecutionFailed: applyExecutionFailed,
  ExecutionCancelled: applyExecutionCancelled,
  ExecutionRetried: applyExecutionRetried,
  ExecutionReopened: applyExecutionReopened,
};

/**
 * The state after one more event. Total: what does not fit (an unknown step, for example) changes nothing but the version.
 * Never changes a state that somebody holds: what is written to is this call's own copy.
 */
export function evolve(state: State, event: Event): State {
  const next = copyState(state);
  next.version = event.version;
  next.at = event.at;
  const { commandId } = event;
  if (commandId !== state.commands?.head && isOutsideCommand(commandId)) {
    next.commands = { head: commandId, tail: state.commands };
  }
  const reduce = reducers[event.type] as ((next: Next, data: unknown, event: Event) => void) | undefined;
  reduce?.(next, event.data, event);
  dropStaleTimers(next);
  return next;
}

import type { Command, Decision, Outcome, Rejection } from './commands/command.js';
import { isOutsideCommand } from '@batuta/contracts';
import { keyOfCommand, OTHER_UNDER_KEY } from './commands/command.js';
import { obeyParent, recordChildAnswer, recordChildEnd } from './commands/children.js';
import { cancelExecution } from './commands/cancel.js';
import { compensateExecution } from './commands/compensate.js';
import { decideApproval } from './commands/decide-approval.js';
import { delegate } from './commands/delegate-attempt.js';
import { deleteExecution, deletedRejection } from './commands/delete-execution.js';
import { addWaiter, recordDependencyAnswer } from './commands/dependencies.js';
import { pauseExecution } from './commands/pause.js';
import { recordEvaluation } from './commands/record-evaluation.js';
import { recordPlace } from './commands/record-place.js';
import { recordHeartbeat } from './commands/record-heartbeat.js';
import { failAttempt, recordResult } from './commands/record-result.js';
import { resumeExecution } from './commands/resume.js';
import { rescheduleExecution } from './commands/reschedule.js';
import { restoreExecution, restoredRejection } from './commands/restore-execution.js';
import { retryExecution } from './commands/retry-execution.js';
import { sendSignal } from './commands/send-signal.js';
import { skipStep } from './commands/skip-step.js';
import { startExecution } from './commands/start.js';
import { terminateExecution } from './commands/terminate.js';
import { wake } from './commands/wake.js';
import { Draft } from './draft.js';
import { plan } from './plan/plan.js';
import { listHas, type State } from './state/state.js';

function handle(draft: Draft, command: Command): Outcome | Rejection {
  switch (command.type) {
    case 'StartExecution':
      return startExecution(draft, command);
    case 'RecordResult':
      return recordResult(draft, command);
    case 'RecordHeartbeat':
      return recordHeartbeat(draft, command);
    case 'RecordEvaluation':
      return recordEvaluation(draft, command);
    case 'FailAttempt':
      return failAttempt(draft, command);
    case 'DelegateAttempt':
      return delegate(draft, command);
    case 'RecordChildAnswer':
      return recordChildAnswer(draft, command);
    case 'RecordChildEnd':
      return recordChildEnd(draft, command);
    case 'AddWaiter':
      return addWaiter(draft, command);
    case 'RecordDependencyAnswer':
      return recordDependencyAnswer(draft, command);
    case 'RecordPlace':
      return recordPlace(draft, command);
    case 'ObeyParent':
      return obeyParent(draft, command);
    case 'Wake':
      return wake(draft);
    case 'CancelExecution':
    case 'TerminateExecution':
    case 'PauseExecution':
    case 'ResumeExecution':
    case 'SkipStep':
    case 'DecideApproval':
    case 'SendSignal':
    case 'RescheduleExecution':
    case 'RetryExecution':
    case 'CompensateExecution':
    case 'DeleteExecution':
    case 'RestoreExecution':
      return control(draft, command);
    default:
      return command satisfies never;
  }
}

type Control = Extract<
  Command,
  {
    type:
      | 'CancelExecution'
      | 'TerminateExecution'
      | 'PauseExecution'
      | 'ResumeExecution'
      | 'SkipStep'
      | 'DecideApproval'
      | 'SendSignal'
      | 'RescheduleExecution'
      | 'RetryExecution'
      | 'CompensateExecution'
      | 'DeleteExecution'
      | 'RestoreExecution';
  }
>;

function control(draft: Draft, command: Control): Outcome | Rejection {
  if (draft.state.started === undefined) {
    return { code: 'not_found', message: 'there is no such execution' };
  }
  switch (command.type) {
    case 'CancelExecution':
      return cancelExecution(draft, command);
    case 'TerminateExecution':
      return terminateExecution(draft, command);
    case 'PauseExecution':
      return pauseExecution(draft, command);
    case 'ResumeExecution':
      return resumeExecution(draft, command);
    case 'SkipStep':
      return skipStep(draft, command);
    case 'DecideApproval':
      return decideApproval(draft, command);
    case 'SendSignal':
      return sendSignal(draft, command);
    case 'RescheduleExecution':
      return rescheduleExecution(draft, command);
    case 'RetryExecution':
      return retryExecution(draft, command);
    case 'CompensateExecution':
      return compensateExecution(draft, command);
    case 'DeleteExecution':
      return deleteExecution(draft, command);
    case 'RestoreExecution':
      return restoreExecution(draft, command);
    default:
      return command satisfies never;
  }
}

/** Whether a different request with the same key has taken effect. */
function isOtherUnderKey(commandId: string, state: State): boolean {
  const key = keyOfCommand(commandId);
  if (key === undefined) return false;
  for (let cell = state.commands; cell !== undefined; cell = cell.tail) {
    if (cell.head.startsWith(key)) return true;
  }
  return false;
}

/**
 * Nothing more happens to a deleted execution, whether its events are removed already or not. Only the command that
 * deleted it counts as a repeat.
 */
function decideDeleted(command: Command, state: State, { commandId }: NonNullable<State['deleted']>): Decision {
  if (!isOutsideCommand(command.id)) return { accepted: [], outcome: 'stale', next: state };
  if (command.id === commandId) return { accepted: [], outcome: 'repeated', next: state };
  const rejected = deletedRejection(state);
  return rejected === undefined ? { accepted: [], outcome: 'stale', next: state } : { rejected };
}

/** A restored execution tells who asks how it ended, and can be deleted again. Nothing else happens to it. */
function isTakenRestored(command: Command): boolean {
  switch (command.type) {
    case 'StartExecution':
    case 'DeleteExecution':
    case 'RestoreExecution':
    case 'AddWaiter':
      return true;
    case 'ObeyParent':
      return command.command === 'ask';
    default:
      return false;
  }
}

/**
 * Decides a command to an execution: returns every event that it causes, up to the point where only outside input can
 * continue. Total, synchronous and pure: the same command on the same state always gives the same decision.
 */
export function decide(command: Command, state: State): Decision {
  if (state.deleted !== undefined && command.type !== 'RestoreExecution') {
    return decideDeleted(command, state, state.deleted);
  }
  if (isOutsideCommand(command.id) && listHas(state.commands, command.id)) {
    return { accepted: [], outcome: 'repeated', next: state };
  }
  if (isOtherUnderKey(command.id, state)) {
    return { rejected: OTHER_UNDER_KEY };
  }
  if (state.restored !== undefined && state.deleted === undefined && !isTakenRestored(command)) {
    const rejected = isOutsideCommand(command.id) ? restoredRejection(state) : undefined;
    return rejected === undefined ? { accepted: [], outcome: 'stale', next: state } : { rejected };
  }
  const draft = new Draft(command, state);
  const result = handle(draft, command);
  if (typeof result !== 'string') {
    return { rejected: result };
  }
  if (draft.events.length > 0) {
    plan(draft);
  }
  return { accepted: draft.events, outcome: result, next: draft.state };
}

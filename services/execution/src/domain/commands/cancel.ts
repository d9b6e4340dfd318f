import type { CancelExecution, Outcome, Rejection } from './command.js';
import type { Draft } from '../draft.js';
import { startOfCompensation } from '../plan/compensation.js';
import { COMPENSATING, endedRejection } from './ended.js';
import { why } from './why.js';

/** Cancels: terminal at its commit, or, asked to undo and with something to undo, once that is done. */
export function cancelExecution(draft: Draft, command: CancelExecution): Outcome | Rejection {
  const ended = endedRejection(draft.state);
  if (ended !== undefined) {
    return ended;
  }
  if (draft.state.status === 'compensation') {
    return COMPENSATING;
  }
  draft.emit(
    command.compensate === true && startOfCompensation(draft.state)
      ? { type: 'CompensationStarted', data: { cause: 'cancel', ...why(command) } }
      : { type: 'ExecutionCancelled', data: why(command) },
  );
  return 'done';
}

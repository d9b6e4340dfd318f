import type { CancelExecution, Outcome, Rejection } from './command.js';
import type { Draft } from '../draft.js';
import { startOfCompensation } from '../plan/compensation.js';
import { COMPENSATING, endedRejection } from './ended.js';
import { why } from './why.js';

/** Cancels an execution: at once, or after compensation when this was requested and there is something to undo. */
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

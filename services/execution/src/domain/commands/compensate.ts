import type { CompensateExecution, Outcome, Rejection } from './command.js';
import type { Draft } from '../draft.js';
import { COMPENSATING } from './ended.js';
import { why } from './why.js';

/**
 * Undoes completed steps of an ended execution that are not undone yet. A compensation that had stopped continues with
 * the step that stopped it.
 */
export function compensateExecution(draft: Draft, command: CompensateExecution): Outcome | Rejection {
  const { state } = draft;
  switch (state.status) {
    case 'completed':
      return { code: 'already_completed', message: 'the execution has completed: there is nothing to undo' };
    case 'compensation':
      return COMPENSATING;
    case 'pending':
    case 'running':
    case 'paused': {
      const message = `the execution is ${state.status}: a cancel with compensate undoes it`;
      return { code: 'not_applicable', message };
    }
    case 'failed':
    case 'cancelled':
      break;
    default:
      return state.status satisfies never;
  }
  if (state.undoable === undefined) {
    const message = 'no completed step is left that says how it is undone';
    return { code: 'nothing_to_compensate', message };
  }
  draft.emit({
    type: 'ExecutionReopened',
    data: {
      cause: state.status === 'cancelled' ? 'cancel' : 'failure',
      deadlineAt: command.at + state.config.timeoutMs,
      ...why(command),
    },
  });
  return 'done';
}

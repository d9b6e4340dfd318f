import type { Outcome, Rejection, TerminateExecution } from './command.js';
import type { Draft } from '../draft.js';
import { compensationOutcome } from '../plan/compensation.js';
import { endedRejection } from './ended.js';
import { why } from './why.js';

/** Ends an execution at once, also during compensation. The steps that were undone until then are listed. */
export function terminateExecution(draft: Draft, command: TerminateExecution): Outcome | Rejection {
  const { state } = draft;
  const ended = endedRejection(state);
  if (ended !== undefined) {
    return ended;
  }
  draft.emit({
    type: 'ExecutionCancelled',
    data: {
      ...why(command),
      ...(state.status === 'compensation' ? { compensation: compensationOutcome(state) } : {}),
      terminated: true,
    },
  });
  return 'done';
}

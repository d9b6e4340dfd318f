import type { Outcome, Rejection, RetryExecution } from '../commands.js';
import type { Draft } from '../draft.js';
import { why } from './why.js';

/** Runs a failed or cancelled execution again from its failed steps; completed ones are kept. */
export function retryExecution(draft: Draft, command: RetryExecution): Outcome | Rejection {
  const { state } = draft;
  switch (state.status) {
    case 'completed':
      return { code: 'already_completed', message: 'the execution has completed: there is nothing to retry' };
    case 'pending':
    case 'running':
    case 'paused':
    case 'compensation':
      return { code: 'not_retryable', message: `the execution is ${state.status}: only a finished one can be retried` };
    case 'failed':
    case 'cancelled':
      break;
    default:
      return state.status satisfies never;
  }
  if (state.undone !== undefined) {
    return { code: 'already_compensated', message: 'completed steps were undone: start a new execution instead' };
  }
  draft.emit({
    type: 'ExecutionRetried',
    data: { deadlineAt: command.at + state.config.timeoutMs, ...why(command) },
  });
  return 'done';
}

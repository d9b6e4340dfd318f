import type { Rejection } from './command.js';
import type { State } from '../state/state.js';

/** The refusal of a command to an ended execution. Undefined while it has not ended. */
export function endedRejection(state: State): Rejection | undefined {
  switch (state.status) {
    case 'completed':
      return { code: 'already_completed', message: 'the execution has completed' };
    case 'failed':
      return { code: 'already_failed', message: 'the execution has failed' };
    case 'cancelled':
      return { code: 'already_cancelled', message: 'the execution was cancelled' };
    case 'pending':
    case 'running':
    case 'paused':
    case 'compensation':
      return undefined;
    default:
      return state.status satisfies never;
  }
}

export const COMPENSATING: Rejection = { code: 'compensating', message: 'the execution is being undone' };

import type { Outcome, PauseExecution, Rejection } from './command.js';
import type { Draft } from '../draft.js';
import { COMPENSATING, endedRejection } from './ended.js';
import { why } from './why.js';

/** Pauses: nothing new starts. `now` is also allowed after a plain pause, to stop running attempts. */
export function pauseExecution(draft: Draft, command: PauseExecution): Outcome | Rejection {
  const { state } = draft;
  const ended = endedRejection(state);
  if (ended !== undefined) {
    return ended;
  }
  if (state.status === 'compensation') {
    return COMPENSATING;
  }
  const stopsMore = command.now === true && state.running > 0;
  if (state.status === 'paused' && !stopsMore) {
    return { code: 'already_paused', message: 'the execution is paused already' };
  }
  draft.emit({
    type: 'ExecutionPaused',
    data: {
      ...why(command),
      ...(command.now === true ? { now: true } : {}),
    },
  });
  return 'done';
}

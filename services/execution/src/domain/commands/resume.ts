import type { Outcome, Rejection, ResumeExecution } from './command.js';
import type { Draft } from '../draft.js';
import { endedRejection } from './ended.js';
import { elapse } from './wake.js';
import { why } from './why.js';

/** Resumes a paused execution. Everything that became due meanwhile happens now. */
export function resumeExecution(draft: Draft, command: ResumeExecution): Outcome | Rejection {
  const ended = endedRejection(draft.state);
  if (ended !== undefined) {
    return ended;
  }
  if (draft.state.status !== 'paused') {
    return { code: 'not_paused', message: 'the execution is not paused' };
  }
  draft.emit({ type: 'ExecutionResumed', data: why(command) });
  elapse(draft);
  return 'done';
}

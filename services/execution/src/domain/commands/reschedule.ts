import { LONGEST_DEPENDENCY_WAIT_MS } from '@batuta/contracts';
import type { Draft } from '../draft.js';
import { waitsForDependencies } from '../state/dependencies.js';
import { askedPlace } from '../state/place.js';
import type { Outcome, Rejection, RescheduleExecution } from './command.js';
import { endedRejection } from './ended.js';
import { why } from './why.js';

/** Moves the begin of an execution that has not begun. One whose time has come begins with the same decision. */
export function rescheduleExecution(draft: Draft, command: RescheduleExecution): Outcome | Rejection {
  const { state } = draft;
  const ended = endedRejection(state);
  if (ended !== undefined) {
    return ended;
  }
  if (state.startedAt > 0) {
    return { code: 'not_applicable', message: 'the execution has begun' };
  }
  const startAt = command.startAt > command.at ? command.startAt : 0;
  const from = Math.max(startAt, command.at);
  const place = askedPlace(state);
  const waits = waitsForDependencies(state) || (place !== undefined && place.phase !== 'held');
  const deadlineAt = from + (waits ? LONGEST_DEPENDENCY_WAIT_MS : state.config.timeoutMs);
  draft.emit({ type: 'ExecutionRescheduled', data: { deadlineAt, startAt, ...why(command) } });
  return 'done';
}

import { isoTime } from '@batuta/contracts';
import type { Outcome, Rejection, RestoreExecution } from './command.js';
import { deletedRejection } from './delete-execution.js';
import type { Draft } from '../draft.js';
import type { State } from '../state/state.js';
import { why } from './why.js';

/** Whether all that is known of a deleted execution is its tombstone. */
export function isTombstone({ deleted, started }: Pick<State, 'deleted' | 'started'>): boolean {
  return deleted !== undefined && started?.deadlineAt === 0;
}

/** Makes an archived execution readable again. Its events must be in the log already. */
export function restoreExecution(draft: Draft, command: RestoreExecution): Outcome | Rejection {
  const { state } = draft;
  if (state.restored !== undefined && state.deleted === undefined) return 'repeated';
  if (state.deleted === undefined) {
    return {
      code: 'not_archived',
      message: `the execution is ${state.status} and not in the archive: it can be read as it is`,
    };
  }
  const { archive, events } = state.deleted.facts;
  if (archive === undefined) {
    return deletedRejection(state) ?? 'unknown';
  }
  if (isTombstone(state)) {
    return { code: 'unavailable', message: 'the events of the execution are not back from the archive yet: try again' };
  }
  const endedVersion = state.restored?.facts.endedVersion ?? events;
  draft.emit({ type: 'ExecutionRestored', data: { archive, events, endedVersion, ...why(command) } });
  return 'done';
}

/** The refusal of commands that would change a restored execution. Undefined when it is none. */
export function restoredRejection({ restored }: Pick<State, 'restored'>): Rejection | undefined {
  if (restored === undefined) return undefined;
  return {
    code: 'execution_restored',
    message: `the execution was restored from the archive on ${isoTime(restored.at)} to be read, and does not run again: fork it instead`,
  };
}

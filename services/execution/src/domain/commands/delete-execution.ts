import { isoTime } from '@batuta/contracts';
import type { ExecutionDeleted, JsonObject } from '@batuta/contracts';
import type { DeleteExecution, Outcome, Rejection } from './command.js';
import type { Draft } from '../draft.js';
import type { State } from '../state/state.js';
import { why } from './why.js';

/** Reduces an ended execution to a tombstone. A caller that has read it before gives the version that it read. */
export function deleteExecution(draft: Draft, command: DeleteExecution): Outcome | Rejection {
  const { state } = draft;
  const { started, status, version } = state;
  switch (status) {
    case 'completed':
    case 'failed':
    case 'cancelled':
      break;
    case 'pending':
    case 'running':
    case 'paused':
    case 'compensation':
      return { code: 'not_ended', message: `the execution is ${status}: only one that has ended can be deleted` };
    default:
      return status satisfies never;
  }
  if (started === undefined) return 'unknown';
  if (command.ifVersion !== undefined && command.ifVersion !== version) {
    const message = `the execution has version ${version}, not ${command.ifVersion}: something has happened to it`;
    return { code: 'version_conflict', message };
  }
  const data: ExecutionDeleted = {
    ...(command.archive === undefined ? {} : { archive: command.archive }),
    configId: started.configId,
    configName: started.configName,
    configVersion: started.configVersion,
    createdAt: state.createdAt,
    endedAt: state.completedAt,
    events: version,
    ...(started.parent === undefined ? {} : { parent: started.parent }),
    ...(command.policy === undefined ? {} : { policy: command.policy }),
    ...(started.requestHash ? { requestHash: started.requestHash } : {}),
    status,
    tenantId: started.tenantId,
    traceId: started.traceId,
    userId: started.userId,
    ...why(command),
  };
  draft.emit({ type: 'ExecutionDeleted', data });
  return 'done';
}

/** The refusal of any request about a deleted execution. Undefined while it is not deleted. */
export function deletedRejection({ deleted }: Pick<State, 'deleted'>): Rejection | undefined {
  if (deleted === undefined) return undefined;
  const { archive, by, policy, reason } = deleted.facts;
  const what = archive === undefined ? 'deleted' : 'archived and deleted';
  const who = policy !== undefined ? ` by retention policy ${policy}` : by !== undefined ? ` by ${by}` : '';
  const because = reason === undefined ? '' : `: ${reason}`;
  return {
    code: 'execution_deleted',
    message: `the execution was ${what} on ${isoTime(deleted.at)}${who}${because}`,
    details: tombstoneDetails(deleted),
  };
}

/** The facts about a deleted execution in its refusals. */
function tombstoneDetails({ at, facts }: NonNullable<State['deleted']>): JsonObject {
  return {
    deleted_at: isoTime(at),
    ...(facts.by === undefined ? {} : { by: facts.by }),
    ...(facts.reason === undefined ? {} : { reason: facts.reason }),
    ...(facts.policy === undefined ? {} : { policy: facts.policy }),
    ...(facts.archive === undefined ? {} : { archive: facts.archive }),
    status: facts.status,
    events: facts.events,
    config_id: facts.configId,
    config_name: facts.configName,
    config_version: facts.configVersion,
    trace_id: facts.traceId,
    created_at: isoTime(facts.createdAt),
    ended_at: isoTime(facts.endedAt),
  };
}

import type { ExecutionDeleted, ExecutionStarted } from '@batuta/contracts';
import { lifecycle } from '../effects/effect.js';
import { executionsThat } from './metrics.js';
import type { EventDefinition } from './definition.js';

/** The start, as far as the tombstone contains it. When the earlier events are removed, there is nothing else. */
function startOf({
  tenantId,
  traceId,
  configId,
  configName,
  configVersion,
  userId,
  requestHash,
  parent,
}: ExecutionDeleted) {
  const started: ExecutionStarted = {
    tenantId,
    traceId,
    configId,
    configName,
    configVersion,
    userId,
    createdBy: userId,
    deadlineAt: 0,
    ...(requestHash === undefined ? {} : { requestHash }),
    // It is unknown whether the end was reported, so it is reported once more.
    ...(parent === undefined ? {} : { parent, endTo: parent.executionId }),
  };
  return started;
}

/**
 * After this event nothing of the execution is used. The earlier events may be removed, and are not needed to compute
 * the state.
 */
export const executionDeleted: EventDefinition<'ExecutionDeleted'> = {
  evolve(next, data, event) {
    if (next.started === undefined) {
      next.executionId = event.executionId;
      next.started = startOf(data);
      next.createdAt = data.createdAt;
      next.startedAt = data.createdAt;
      next.completedAt = data.endedAt;
      next.status = data.status;
    }
    next.deleted = { at: event.at, commandId: event.commandId, facts: data };
  },
  effects: lifecycle,
  spans: undefined,
  measures: executionsThat('deleted'),
  command: 'delete',
};

import type { ExecutionDeleted, ExecutionStarted } from '@batuta/contracts';
import { lifecycle } from '../effects/effect.js';
import { executionsThat } from './metrics.js';
import type { EventDefinition } from './definition.js';

/** The start as far as the tombstone tells it: where the events before are gone, there is nothing else. */
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
    // Whether it was told of the end nobody knows: it is told once more.
    ...(parent === undefined ? {} : { parent, endTo: parent.executionId }),
  };
  return started;
}

/** Nothing is asked of the execution any more; the events before this one may be gone, and are not needed to fold it. */
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

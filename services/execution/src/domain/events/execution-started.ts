import { asksForEnds } from '../effects/dependencies.js';
import { lifecycle } from '../effects/effect.js';
import { dependencyStates } from '../state/dependencies.js';
import { executionsThat } from './metrics.js';
import type { EventDefinition } from './definition.js';

export const executionStarted: EventDefinition<'ExecutionStarted'> = {
  evolve(next, data, event) {
    next.executionId = event.executionId;
    next.started = data;
    next.createdAt = event.at;
    next.deadlineAt = data.deadlineAt;
    if (data.waiters !== undefined) {
      next.waiters = data.waiters;
    }
    if (data.after !== undefined) {
      next.dependencies = dependencyStates(data.after, event);
    } else if ((data.startAt === undefined || data.startAt <= event.at) && next.config.concurrency === undefined) {
      next.status = 'running';
      next.startedAt = event.at;
    }
  },
  effects: (event, stateAfter) =>
    stateAfter.dependencies === undefined
      ? lifecycle(event)
      : [...lifecycle(event), ...asksForEnds(stateAfter, event.version)],
  spans: undefined,
  measures: executionsThat('started'),
  command: 'start',
};

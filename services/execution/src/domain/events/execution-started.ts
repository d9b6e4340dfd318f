import { lifecycle } from '../effects/effect.js';
import { executionsThat } from './metrics.js';
import type { EventDefinition } from './definition.js';

export const executionStarted: EventDefinition<'ExecutionStarted'> = {
  evolve(next, data, event) {
    next.executionId = event.executionId;
    next.started = data;
    next.createdAt = event.at;
    next.deadlineAt = data.deadlineAt;
    if (data.startAt === undefined || data.startAt <= event.at) {
      next.status = 'running';
      next.startedAt = event.at;
    }
  },
  effects: lifecycle,
  spans: undefined,
  measures: executionsThat('started'),
  command: 'start',
};

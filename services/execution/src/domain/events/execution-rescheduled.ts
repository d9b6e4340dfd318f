import { lifecycle } from '../effects/effect.js';
import { begin } from '../fold/phases.js';
import { withStartAt } from '../state/start-at.js';
import type { EventDefinition } from './definition.js';

export const executionRescheduled: EventDefinition<'ExecutionRescheduled'> = {
  evolve(next, { startAt, deadlineAt }, event) {
    if (next.started !== undefined) {
      next.started = withStartAt(next.started, startAt);
    }
    next.deadlineAt = deadlineAt;
    begin(next, event.at);
  },
  effects: lifecycle,
  spans: undefined,
  measures: undefined,
  command: 'reschedule',
};

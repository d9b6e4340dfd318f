import { begin, beginGroup } from '../fold/phases.js';
import { putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import { addDeadline, STEP_DEADLINE } from '../state/timers.js';
import type { EventDefinition } from './definition.js';

export const waitStarted: EventDefinition<'WaitStarted'> = {
  evolve(next, { stepId, untilAt }, event) {
    begin(next, event.at);
    const index = next.config.unitIndex.get(stepId);
    if (index === undefined) {
      return;
    }
    putUnit(next, index, {
      ...unitState(next, index),
      phase: 'awaiting',
      firstScheduledAt: event.at,
      scheduledAt: event.at,
      startedAt: event.at,
      awaited: { sinceAt: event.at, untilAt },
    });
    addDeadline(next, index, untilAt, STEP_DEADLINE);
    beginGroup(next, index, event.at);
  },
  effects: undefined,
  spans: ({ at, data: { stepId, untilAt } }) => [
    {
      change: 'wait began',
      stepId,
      name: 'time wait',
      attributes: { 'batuta.timer.planned_ms': Math.max(0, untilAt - at) },
      withdrawn: {},
    },
  ],
  measures: undefined,
  command: undefined,
};

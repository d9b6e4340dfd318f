import { commandsOfChildren } from '../effects/children.js';
import { lifecycle } from '../effects/effect.js';
import { noteControl } from '../fold/controls.js';
import { leaveOnlyRunning } from '../fold/phases.js';
import { executionsThat } from './metrics.js';
import type { EventDefinition } from './definition.js';

export const compensationStarted: EventDefinition<'CompensationStarted'> = {
  evolve(next, data, event) {
    if (data.cause === 'cancel') {
      noteControl(next, 'cancel', data, event);
    }
    next.status = 'compensation';
    next.pausedAt = 0;
    next.compensation = { cause: data.cause, reason: data.reason ?? '', by: data.by ?? '', stopped: false };
    if (data.failure !== undefined) {
      next.failure = data.failure;
    }
    next.failedStepId = data.stepId ?? '';
    leaveOnlyRunning(next, event);
  },
  effects: (event, stateAfter) => [...lifecycle(event), ...commandsOfChildren(stateAfter, event.version)],
  spans: ({ data }) => [{ change: 'compensation began', attributes: { 'batuta.compensation.cause': data.cause } }],
  measures: executionsThat('compensation'),
  command: 'cancel',
};

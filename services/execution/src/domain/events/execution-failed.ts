import { commandsOfChildren } from '../effects/children.js';
import { lifecycle, stopAll, tellEnd } from '../effects/effect.js';
import { end } from '../fold/phases.js';
import { executionsEnded } from './metrics.js';
import type { EventDefinition } from './definition.js';

export const executionFailed: EventDefinition<'ExecutionFailed'> = {
  evolve(next, data, event) {
    next.failure = data.failure;
    // Only what the event names: after a compensation, a timeout may have ended the execution.
    next.failedStepId = data.stepId ?? '';
    end(next, 'failed', event);
  },
  effects: (event, stateAfter) => [
    ...stopAll(event.executionId, stateAfter, 'failed'),
    ...lifecycle(event),
    ...commandsOfChildren(stateAfter, event.version),
    ...tellEnd(stateAfter),
  ],
  spans: ({ data: { failure } }) => [{ change: 'execution ended', status: 'failed', failure }],
  measures: executionsEnded('failed'),
  command: undefined,
};

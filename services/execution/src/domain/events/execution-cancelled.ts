import { commandsOfChildren } from '../effects/children.js';
import { lifecycle, stopAll, tellEnd } from '../effects/effect.js';
import { noteControl } from '../fold/controls.js';
import { end } from '../fold/phases.js';
import { executionsEnded } from './metrics.js';
import type { EventDefinition } from './definition.js';

export const executionCancelled: EventDefinition<'ExecutionCancelled'> = {
  evolve(next, data, event) {
    // The end of a compensation names the requester again.
    if (data.terminated === true || next.status !== 'compensation') {
      noteControl(next, data.terminated === true ? 'terminate' : 'cancel', data, event);
    }
    end(next, 'cancelled', event);
  },
  effects: (event, stateAfter) => [
    ...stopAll(event.executionId, stateAfter, 'cancelled'),
    ...lifecycle(event),
    ...commandsOfChildren(stateAfter, event.version),
    ...tellEnd(stateAfter),
  ],
  spans: () => [{ change: 'execution ended', status: 'cancelled' }],
  measures: executionsEnded('cancelled'),
  command: 'cancel',
};

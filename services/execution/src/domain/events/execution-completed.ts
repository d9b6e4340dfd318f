import { commandsOfChildren } from '../effects/children.js';
import { lifecycle, tellEnd } from '../effects/effect.js';
import { end } from '../fold/phases.js';
import { defaultOutput } from '../state/results.js';
import { executionsEnded } from './metrics.js';
import type { EventDefinition } from './definition.js';

export const executionCompleted: EventDefinition<'ExecutionCompleted'> = {
  evolve(next, data, event) {
    next.output = data.output === undefined ? defaultOutput(next) : data.output;
    end(next, 'completed', event);
  },
  effects: (event, stateAfter) => [
    ...lifecycle(event),
    ...commandsOfChildren(stateAfter, event.version),
    ...tellEnd(stateAfter),
  ],
  spans: () => [{ change: 'execution ended', status: 'completed' }],
  measures: executionsEnded('completed'),
  command: undefined,
};

import { begin, beginGroup } from '../fold/phases.js';
import { putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import type { EventDefinition } from './definition.js';

/** Dependent steps read the decision from the output, which is in the next event. */
export const choiceMade: EventDefinition<'ChoiceMade'> = {
  evolve(next, { stepId }, event) {
    begin(next, event.at);
    const index = next.config.unitIndex.get(stepId);
    if (index === undefined) {
      return;
    }
    putUnit(next, index, { ...unitState(next, index), firstScheduledAt: event.at, scheduledAt: event.at });
    beginGroup(next, index, event.at);
  },
  effects: undefined,
  spans: undefined,
  measures: undefined,
  command: undefined,
};

import { asksForEnds } from '../effects/dependencies.js';
import type { EventDefinition } from './definition.js';

export const dependenciesChecked: EventDefinition<'DependenciesChecked'> = {
  evolve(next, { executionIds }, event) {
    next.dependencies = next.dependencies?.map((each) =>
      executionIds.includes(each.executionId)
        ? { ...each, found: false, missing: !each.found, asked: event.version, askedAt: event.at }
        : each,
    );
  },
  effects: (event, stateAfter) => asksForEnds(stateAfter, event.version),
  spans: undefined,
  measures: undefined,
  command: undefined,
};

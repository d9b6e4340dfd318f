import type { EventDefinition } from './definition.js';

export const dependencyFound: EventDefinition<'DependencyFound'> = {
  evolve(next, { executionId }) {
    next.dependencies = next.dependencies?.map((each) =>
      each.executionId === executionId ? { ...each, found: true, missing: false } : each,
    );
  },
  effects: undefined,
  spans: undefined,
  measures: undefined,
  command: undefined,
};

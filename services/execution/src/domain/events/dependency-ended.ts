import type { EventDefinition } from './definition.js';

/** What it does to the execution is the next event; with the last of them it begins. */
export const dependencyEnded: EventDefinition<'DependencyEnded'> = {
  evolve(next, { executionId, status, version, deadlineAt }) {
    next.dependencies = next.dependencies?.map((each) =>
      each.executionId === executionId ? { ...each, found: true, ended: status, endVersion: version } : each,
    );
    if (deadlineAt !== undefined) {
      next.deadlineAt = deadlineAt;
    }
  },
  effects: undefined,
  spans: undefined,
  measures: undefined,
  command: undefined,
};

import type { EventDefinition } from './definition.js';

/** The next event has the effect on the execution. With the last of these events the execution begins. */
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

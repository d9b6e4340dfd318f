import type { EventDefinition } from './definition.js';

/** The waiter gets the end of this execution. */
export const waiterAdded: EventDefinition<'WaiterAdded'> = {
  evolve(next, { executionId }) {
    next.waiters = [...(next.waiters ?? []), executionId];
  },
  effects: undefined,
  spans: undefined,
  measures: undefined,
  command: undefined,
};

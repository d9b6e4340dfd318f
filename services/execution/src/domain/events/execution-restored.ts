import type { EventDefinition } from './definition.js';
import { executionsThat } from './metrics.js';

/**
 * The events before the deletion are in the log again, so the state is what it was before. It can be read, and only be
 * deleted again.
 */
export const executionRestored: EventDefinition<'ExecutionRestored'> = {
  evolve(next, data, event) {
    next.deleted = undefined;
    next.restored = { at: event.at, facts: data };
  },
  // Whoever waited for its end was told by the deletion's time.
  effects: undefined,
  spans: undefined,
  measures: executionsThat('restored'),
  command: 'restore',
};

import type { EventDefinition } from './definition.js';

/** The next event has its effect. */
export const parentCommanded: EventDefinition<'ParentCommanded'> = {
  evolve(next, { order }) {
    next.commanded = order;
  },
  effects: undefined,
  spans: undefined,
  measures: undefined,
  command: 'parent_command',
};

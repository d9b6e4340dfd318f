import type { EventDefinition } from './definition.js';

/** What follows from it is the next event. */
export const parentCommanded: EventDefinition<'ParentCommanded'> = {
  evolve(next, { order }) {
    next.commanded = order;
  },
  effects: undefined,
  spans: undefined,
  measures: undefined,
  command: 'parent_command',
};

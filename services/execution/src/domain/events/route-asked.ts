import { routeCalls } from '../fold/route.js';
import type { EventDefinition } from './definition.js';

/** The next event is the attempt of the place that asks. */
export const routeAsked: EventDefinition<'RouteAsked'> = {
  evolve(next, { stepId, askedId }, event) {
    routeCalls(next, event, { stepId, placeId: askedId }, {});
  },
  effects: undefined,
  spans: undefined,
  measures: undefined,
  command: undefined,
};

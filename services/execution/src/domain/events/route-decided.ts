import { routeCalls } from '../fold/route.js';
import type { EventDefinition } from './definition.js';

/** The next event begins the chosen candidate. Nothing is decided again, whatever becomes of it. */
export const routeDecided: EventDefinition<'RouteDecided'> = {
  evolve(next, data, event) {
    routeCalls(next, event, { stepId: data.stepId, placeId: data.chosenId }, { decided: data });
  },
  effects: undefined,
  spans: undefined,
  measures: undefined,
  command: undefined,
};

import { asksForPlace } from '../effects/place.js';
import type { EventDefinition } from './definition.js';

export const placeRequested: EventDefinition<'PlaceRequested'> = {
  evolve(next, { limiterId, key, limit, onLimit, deadlineAt }, event) {
    next.place = {
      phase: 'asking',
      limiterId,
      key,
      limit,
      onLimit,
      asked: event.version,
      since: event.at,
      position: 0,
      held: 0,
    };
    next.deadlineAt = deadlineAt;
  },
  effects: (_event, stateAfter) => asksForPlace(stateAfter),
  spans: undefined,
  measures: undefined,
  command: undefined,
};

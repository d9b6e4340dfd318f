import { lifecycle } from '../effects/effect.js';
import { begin } from '../fold/phases.js';
import { askedPlace } from '../state/place.js';
import type { EventDefinition } from './definition.js';

/** With this event the execution begins, unless it is paused or was given a later time. */
export const placeTaken: EventDefinition<'PlaceTaken'> = {
  evolve(next, { deadlineAt }, event) {
    const place = askedPlace(next);
    if (place !== undefined) next.place = { ...place, phase: 'held', since: event.at };
    next.deadlineAt = deadlineAt;
    begin(next, event.at);
  },
  effects: lifecycle,
  spans: undefined,
  measures: undefined,
  command: undefined,
};

import { askedPlace } from '../state/place.js';
import type { EventDefinition } from './definition.js';

export const placeAwaited: EventDefinition<'PlaceAwaited'> = {
  evolve(next, { position, held, limit }) {
    const place = askedPlace(next);
    if (place?.phase === 'asking') next.place = { ...place, phase: 'waiting', position, held, limit };
  },
  effects: undefined,
  spans: undefined,
  measures: undefined,
  command: undefined,
};

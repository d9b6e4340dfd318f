import type { LimiterStreamEvent, PlaceMessage } from '@batuta/contracts';
import { idMapGet, idMapValues } from '../structures/id-map.js';
import { placeOf } from './state.js';
import type { LimiterState, Place } from './state.js';

/**
 * An action of the runtime after a commit: tell an execution about its place, until it has recorded it. When the
 * execution answers that it does not need the place, that becomes an event.
 */
export interface LimiterEffect {
  readonly type: 'tell';
  readonly holder: string;
  readonly place: PlaceMessage;
}

function tell({ holder, order, evictedBy }: Place): LimiterEffect {
  const place: PlaceMessage =
    evictedBy === undefined ? { order, what: 'granted' } : { order, what: 'evicted', by: evictedBy };
  return { type: 'tell', holder, place };
}

/** Whether an execution is still to be told this. */
export function isLimiterEffectWanted(state: LimiterState, { holder, place }: LimiterEffect): boolean {
  const now = placeOf(state, holder);
  if (now?.order !== place.order) return false;
  if (place.what === 'evicted') return now.evictedBy !== undefined;
  return now.evictedBy === undefined && idMapGet(state.holders, holder) !== undefined;
}

/** The effects of one event, given the state after its commit. */
export function limiterEffectsOf(event: LimiterStreamEvent, stateAfter: LimiterState): readonly LimiterEffect[] {
  switch (event.type) {
    case 'PlaceGranted':
    case 'PlaceEvicted': {
      const place = placeOf(stateAfter, event.data.holder);
      const told = place === undefined ? [] : [tell(place)];
      return told.filter((effect) => isLimiterEffectWanted(stateAfter, effect));
    }
    case 'HoldersChecked':
      return wantedLimiterEffects(stateAfter);
    default:
      return [];
  }
}

/** All outstanding effects: those to perform again after a takeover. */
export function wantedLimiterEffects({ holders, evicted }: LimiterState): readonly LimiterEffect[] {
  return [...idMapValues(holders), ...idMapValues(evicted)].map(tell);
}

import type { AcquirePlace } from '@batuta/contracts';
import { askedPlace } from '../state/place.js';
import { isTerminal, priorityOf, type State } from '../state/state.js';
import type { Effect } from './effect.js';

export type AskPlaceEffect = Extract<Effect, { type: 'askPlace' }>;

/** Asks the limiter for a place, when it has not answered yet. */
export function asksForPlace(state: State): Effect[] {
  const place = askedPlace(state);
  if (place?.phase !== 'asking' || isTerminal(state.status)) return [];
  return [{ type: 'askPlace', limiterId: place.limiterId, order: place.asked }];
}

/** Whether the answer is still wanted. */
export function isPlaceWanted(state: State, { order }: AskPlaceEffect): boolean {
  const place = askedPlace(state);
  return place?.phase === 'asking' && place.asked === order && !isTerminal(state.status);
}

/** The question to the limiter. */
export function placeAskedFor(state: State): AcquirePlace | undefined {
  const place = askedPlace(state);
  const { started } = state;
  if (place === undefined || started === undefined) return undefined;
  const { tenantId, configId, configName, configVersion } = started;
  const { asked: order, key, limit, onLimit } = place;
  return { tenantId, order, configId, configName, configVersion, key, limit, onLimit, priority: priorityOf(state) };
}

/** An ended execution gives its place back, or does not wait for it any more. */
export function releasesPlace(state: State): Effect[] {
  const place = askedPlace(state);
  const { started, status } = state;
  if (place === undefined || started === undefined || !isTerminal(status)) return [];
  const { limiterId, asked: order } = place;
  return [{ type: 'send', to: limiterId, message: { release: { tenantId: started.tenantId, order } } }];
}

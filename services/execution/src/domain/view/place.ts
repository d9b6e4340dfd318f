import type { ExecutionView } from '@batuta/contracts';
import { placesOf } from '../commands/record-place.js';
import { askedPlace } from '../state/place.js';
import { isTerminal, type State } from '../state/state.js';

/** The place of an execution under `settings.concurrency`, and why it has not begun. */
export function placeView(state: State): Pick<ExecutionView, 'concurrency' | 'pendingReason'> {
  const place = askedPlace(state);
  if (place === undefined || isTerminal(state.status)) return {};
  const { phase, limiterId, key, limit, since, position, held } = place;
  const view = { limiterId, key, limit, since };
  if (phase === 'held') return { concurrency: { ...view, state: 'held' } };
  const joined = position === 0 ? '' : `; joined the queue as number ${position}`;
  return {
    concurrency: { ...view, state: 'waiting', ...(position === 0 ? {} : { position, held }) },
    ...(state.status === 'pending' ? { pendingReason: `waits for one of ${placesOf(place)}${joined}` } : {}),
  };
}

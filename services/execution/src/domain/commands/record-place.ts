import { FAILURE_CODES } from '@batuta/contracts';
import type { Draft } from '../draft.js';
import { abort } from '../plan/end.js';
import { askedPlace, type AskedPlace } from '../state/place.js';
import { isTerminal } from '../state/state.js';
import type { Outcome, RecordPlace } from './command.js';

/**
 * A limiter answers, or says that the execution has a place or has lost it. `stale` tells the limiter that the place is
 * not needed, so it gives the place to another one.
 */
export function recordPlace(draft: Draft, command: RecordPlace): Outcome {
  const { state } = draft;
  const place = askedPlace(state);
  if (isTerminal(state.status) || place?.asked !== command.order || place.limiterId !== command.limiterId) {
    return 'stale';
  }
  // It is being undone and ends soon. Then it gives the place back.
  if (state.status === 'compensation') return 'recorded';
  const { limiterId } = place;
  switch (command.what) {
    case 'granted':
      if (place.phase === 'held') return 'recorded';
      draft.emit({
        type: 'PlaceTaken',
        data: { deadlineAt: Math.max(draft.at, state.started?.startAt ?? 0) + state.config.timeoutMs, limiterId },
      });
      return 'recorded';
    case 'queued': {
      if (place.phase !== 'asking') return 'stale';
      const { position = 0, held = 0, limit = place.limit } = command;
      draft.emit({ type: 'PlaceAwaited', data: { held, limit, limiterId, position } });
      return 'recorded';
    }
    case 'evicted': {
      const by = command.by === undefined ? 'another execution' : `execution ${command.by}`;
      draft.emit({ type: 'ExecutionCancelled', data: { reason: `${by} took its place of ${placesOf(place)}` } });
      return 'recorded';
    }
    case 'refused':
      return refuse(draft, place, command.full === true);
    default:
      return command.what satisfies never;
  }
}

function refuse(draft: Draft, place: AskedPlace, full: boolean): Outcome {
  if (place.phase !== 'asking') return 'stale';
  const message = full
    ? `the queue of ${placesOf(place)} is full`
    : `${place.limit === 1 ? 'the place is' : 'all are'} taken of ${placesOf(place)}`;
  if (!full && place.onLimit === 'cancel_newest') {
    draft.emit({ type: 'ExecutionCancelled', data: { reason: message } });
  } else {
    abort(draft, { failure: { code: FAILURE_CODES.concurrencyLimit, message, retryable: false }, node: -1 });
  }
  return 'recorded';
}

/** For people. */
export function placesOf({ key, limit }: AskedPlace): string {
  return `${limit} concurrent ${limit === 1 ? 'execution' : 'executions'}${key === '' ? '' : ` with key "${key}"`}`;
}

import type { LimiterPlace, LimiterView, PlaceReply } from '@batuta/contracts';
import { idMapGet } from '../structures/id-map.js';
import { heldOf, placesOf, waitersOf, waitingOf, RANKS } from './state.js';
import type { LimiterState, Place } from './state.js';

/** How many holders and waiters a view shows. It is written with every commit, so it must stay small. */
const SHOWN = 20;

function shown(places: Iterable<Place>): LimiterPlace[] {
  const first: LimiterPlace[] = [];
  for (const { holder, since, priority, evictedBy } of places) {
    first.push({ executionId: holder, since, priority, ...(evictedBy === undefined ? {} : { evicted: true }) });
    if (first.length === SHOWN) break;
  }
  return first;
}

/** A limiter in the form of the API. Undefined before its first event. */
export function limiterView(state: LimiterState): LimiterView | undefined {
  if (state.version === 0) return undefined;
  const { limiterId: id, tenantId, configId, configName, key, limit, createdAt, at, version } = state;
  return {
    id,
    tenantId,
    configId,
    configName,
    key,
    limit,
    held: heldOf(state),
    waiting: waitingOf(state),
    holders: shown(placesOf(state.holders, state.granted)),
    waiters: shown(waitersOf(state)),
    createdAt,
    updatedAt: at,
    version,
  };
}

/** What an execution is told that asked for a place with this order. Undefined when the limiter does not know it. */
export function placeReply(state: LimiterState, holder: string, order: number): PlaceReply | undefined {
  const { limit } = state;
  const held = heldOf(state);
  if (idMapGet(state.holders, holder)?.order === order) return { state: 'held', held, limit };
  if (idMapGet(state.evicted, holder)?.order === order) return { state: 'evicted', held, limit };
  const waits = idMapGet(state.waiters, holder);
  if (waits?.order !== order) return undefined;
  let position = 0;
  for (const rank of RANKS) {
    position += state.waiting[rank];
    if (rank === waits.priority) break;
  }
  return { state: 'queued', position, held, limit };
}

import type { JsonValue } from '@batuta/contracts';
import { idMapSet, idMapValues, type IdMap } from '../structures/id-map.js';
import { queueOf } from '../structures/queue.js';
import { NO_LIMITER, placesOf, RANKS } from './state.js';
import type { LimiterState, Place } from './state.js';

/** Like REDUCER_VERSION, for the state of limiters. */
const LIMITER_REDUCER = 1;

interface Encoded {
  readonly limiter: number;
  readonly state: Partial<LimiterState>;
  readonly held: readonly Place[];
  readonly waiting: readonly Place[];
  readonly evicted: readonly Place[];
}

export function encodeLimiterSnapshot(state: LimiterState): JsonValue {
  const { holders, waiters, evicted, granted, queues, ...rest } = state;
  const encoded: Encoded = {
    limiter: LIMITER_REDUCER,
    state: rest,
    held: [...placesOf(holders, granted)],
    waiting: RANKS.flatMap((rank) => [...placesOf(waiters, queues[rank])]),
    evicted: idMapValues(evicted),
  };
  return encoded as unknown as JsonValue;
}

/** Whether a snapshot belongs to a limiter. */
export function isLimiterSnapshot(snapshot: JsonValue): boolean {
  return typeof snapshot === 'object' && snapshot !== null && 'limiter' in snapshot;
}

/** JSON omits undefined fields. */
function placesFrom(places: readonly Place[]): IdMap<Place> {
  return places.reduce<IdMap<Place>>(
    (map, place) => idMapSet(map, place.holder, { ...place, evictedBy: place.evictedBy }),
    undefined,
  );
}

/** The state in a snapshot of `encodeLimiterSnapshot`. Undefined when another version made it. */
export function decodeLimiterSnapshot(snapshot: JsonValue): LimiterState | undefined {
  const encoded = snapshot as unknown as Partial<Encoded>;
  const { limiter, state, held = [], waiting = [], evicted = [] } = encoded;
  if (limiter !== LIMITER_REDUCER || state === undefined) return undefined;
  const turns = (places: readonly Place[]) => queueOf(places.map(({ holder, seq }) => ({ holder, seq })));
  const of = (rank: Place['priority']) => turns(waiting.filter(({ priority }) => priority === rank));
  return {
    ...NO_LIMITER,
    ...state,
    holders: placesFrom(held),
    waiters: placesFrom(waiting),
    evicted: placesFrom(evicted),
    granted: turns(held),
    queues: { high: of('high'), normal: of('normal'), low: of('low') },
  };
}

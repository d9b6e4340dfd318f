import type { LimiterEventData, LimiterEventType, LimiterStreamEvent, Priority } from '@batuta/contracts';
import { idMapDelete, idMapGet, idMapSet, idMapSize, type IdMap } from '../structures/id-map.js';
import { queueOf, queuePush, queueShift, type Queue } from '../structures/queue.js';
import { HOLDER_CHECK_MS, placesOf } from './state.js';
import type { LimiterState, NextLimiter, Place, Turn } from './state.js';

type Evolve<T extends LimiterEventType> = (
  next: NextLimiter,
  data: Readonly<LimiterEventData[T]>,
  event: Pick<LimiterStreamEvent, 'executionId' | 'at' | 'version'>,
) => void;

/** Queues may hold this many entries that belong to no place any more, before they are made anew. */
const SPARE = 32;

/** The queue without entries at its front whose places are gone. It is made anew when most of its entries are gone. */
function tidy(queue: Queue<Turn>, places: IdMap<Place>, living: number): Queue<Turn> {
  let rest = queue;
  while (rest.front !== undefined && idMapGet(places, rest.front.head.holder)?.seq !== rest.front.head.seq) {
    rest = queueShift(rest);
  }
  if (rest.size <= 2 * living + SPARE) return rest;
  return queueOf([...placesOf(places, rest)].map(({ holder, seq }) => ({ holder, seq })));
}

function leaveQueue(next: NextLimiter, { holder, priority }: Place): void {
  next.waiters = idMapDelete(next.waiters, holder);
  next.waiting = { ...next.waiting, [priority]: next.waiting[priority] - 1 };
  next.queues = { ...next.queues, [priority]: tidy(next.queues[priority], next.waiters, next.waiting[priority]) };
}

function placeFrom(
  { holder, order, priority }: { readonly holder: string; readonly order: number; readonly priority: Priority },
  { at, version }: Pick<LimiterStreamEvent, 'at' | 'version'>,
): Place {
  return { holder, order, priority, since: at, seq: version, evictedBy: undefined };
}

const EVOLVE: { readonly [T in LimiterEventType]: Evolve<T> } = {
  LimiterOpened(next, { tenantId, configId, configName, configVersion, key, limit }, event) {
    next.limiterId = event.executionId;
    next.createdAt = event.at;
    Object.assign(next, { tenantId, configId, configName, configVersion, key, limit });
  },
  LimiterChanged(next, { limit, configVersion, configName }) {
    Object.assign(next, { limit, configVersion, configName });
  },
  PlaceQueued(next, data, event) {
    const place = placeFrom(data, event);
    const { holder, priority, seq } = place;
    next.waiters = idMapSet(next.waiters, holder, place);
    next.waiting = { ...next.waiting, [priority]: next.waiting[priority] + 1 };
    next.queues = { ...next.queues, [priority]: queuePush(next.queues[priority], { holder, seq }) };
  },
  PlaceGranted(next, data, event) {
    const waited = idMapGet(next.waiters, data.holder);
    if (waited !== undefined) leaveQueue(next, waited);
    const place = placeFrom(data, event);
    next.holders = idMapSet(next.holders, place.holder, place);
    next.granted = queuePush(next.granted, { holder: place.holder, seq: place.seq });
    if (next.checkAt === 0) next.checkAt = event.at + HOLDER_CHECK_MS;
  },
  PlaceEvicted(next, { holder, by }) {
    const held = idMapGet(next.holders, holder);
    if (held !== undefined) {
      next.holders = idMapSet(next.holders, holder, { ...held, evictedBy: by });
      return;
    }
    const waited = idMapGet(next.waiters, holder);
    if (waited === undefined) return;
    leaveQueue(next, waited);
    next.evicted = idMapSet(next.evicted, holder, { ...waited, evictedBy: by });
  },
  PlaceReleased(next, { holder }) {
    const waited = idMapGet(next.waiters, holder);
    if (waited !== undefined) leaveQueue(next, waited);
    next.evicted = idMapDelete(next.evicted, holder);
    next.holders = idMapDelete(next.holders, holder);
    next.granted = tidy(next.granted, next.holders, idMapSize(next.holders));
    if (next.holders === undefined) next.checkAt = 0;
  },
  HoldersChecked(next, _, event) {
    next.checkAt = event.at + HOLDER_CHECK_MS;
  },
};

/** The limiter after one more event. Total: an event that does not fit changes only the version. */
export function evolveLimiter(state: LimiterState, event: LimiterStreamEvent): LimiterState {
  const next: NextLimiter = { ...state, version: event.version, at: event.at };
  (EVOLVE[event.type] as Evolve<LimiterEventType> | undefined)?.(next, event.data as never, event);
  return next;
}

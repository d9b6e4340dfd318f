import type { Priority } from '@batuta/contracts';
import { idMapGet, idMapSize, type IdMap } from '../structures/id-map.js';
import { EMPTY_QUEUE, queueItems, type Queue } from '../structures/queue.js';

/** An execution that holds a place or waits for one. */
export interface Place {
  readonly holder: string;
  /** Version of its event that asked. */
  readonly order: number;
  readonly priority: Priority;
  /** Since when it holds the place or waits for it. */
  readonly since: number;
  /** Version of the limiter's event. An entry of a queue belongs to this place when it has the same number. */
  readonly seq: number;
  /** The execution that takes its place. Undefined for none. */
  readonly evictedBy: string | undefined;
}

/** An entry of a queue. It is skipped when the place is gone or has another number. */
export interface Turn {
  readonly holder: string;
  readonly seq: number;
}

export const RANKS = ['high', 'normal', 'low'] as const satisfies readonly Priority[];
export type Rank = (typeof RANKS)[number];

/** A limiter, computed from its events. */
export interface LimiterState {
  readonly kind: 'limiter';
  readonly limiterId: string;
  readonly version: number;
  /** Time of the newest event. */
  readonly at: number;
  readonly createdAt: number;
  readonly tenantId: string;
  readonly configId: string;
  readonly configName: string;
  /** The newest version of the config that has asked. Its limit counts. */
  readonly configVersion: number;
  readonly key: string;
  readonly limit: number;
  readonly holders: IdMap<Place>;
  readonly waiters: IdMap<Place>;
  /** Executions that waited and have to end, until they have been told. */
  readonly evicted: IdMap<Place>;
  /** Holders in the order of their grants. */
  readonly granted: Queue<Turn>;
  readonly queues: Readonly<Record<Rank, Queue<Turn>>>;
  /** How many wait in each queue. */
  readonly waiting: Readonly<Record<Rank, number>>;
  /** When the holders are asked next whether they still need their places. 0 while nobody holds one. */
  readonly checkAt: number;
}

export type NextLimiter = { -readonly [K in keyof LimiterState]: LimiterState[K] };

const EMPTY = EMPTY_QUEUE as Queue<Turn>;

/** A limiter before its first event. */
export const NO_LIMITER: LimiterState = {
  kind: 'limiter',
  limiterId: '',
  version: 0,
  at: 0,
  createdAt: 0,
  tenantId: '',
  configId: '',
  configName: '',
  configVersion: 0,
  key: '',
  limit: 0,
  holders: undefined,
  waiters: undefined,
  evicted: undefined,
  granted: EMPTY,
  queues: { high: EMPTY, normal: EMPTY, low: EMPTY },
  waiting: { high: 0, normal: 0, low: 0 },
  checkAt: 0,
};

/** Holders are asked this often whether they still need their places, in milliseconds. */
export const HOLDER_CHECK_MS = 120_000;

export function heldOf({ holders }: LimiterState): number {
  return idMapSize(holders);
}

export function waitingOf({ waiters }: LimiterState): number {
  return idMapSize(waiters);
}

/** The place that an execution has in the limiter: held, waited for, or lost. */
export function placeOf(state: LimiterState, holder: string): Place | undefined {
  return idMapGet(state.holders, holder) ?? idMapGet(state.waiters, holder) ?? idMapGet(state.evicted, holder);
}

/** Places in the order of a queue. */
export function* placesOf(places: IdMap<Place>, queue: Queue<Turn>): Generator<Place, void> {
  for (const { holder, seq } of queueItems(queue)) {
    const place = idMapGet(places, holder);
    if (place?.seq === seq) yield place;
  }
}

/** Who waits, in the order of their turn. */
export function* waitersOf({ waiters, queues }: LimiterState): Generator<Place, void> {
  for (const rank of RANKS) yield* placesOf(waiters, queues[rank]);
}

/** When the limiter must be looked at next. Undefined when nobody holds a place. */
export function nextLimiterWake({ checkAt }: LimiterState): number | undefined {
  return checkAt === 0 ? undefined : checkAt;
}

/** Whether only a message can make something happen. */
export function isLimiterOver({ holders, waiters, evicted }: LimiterState): boolean {
  return holders === undefined && waiters === undefined && evicted === undefined;
}

import type { DescMessage } from '@bufbuild/protobuf';
import {
  HoldersCheckedSchema,
  LimiterChangedSchema,
  LimiterOpenedSchema,
  PlaceEvictedSchema,
  PlaceGrantedSchema,
  PlaceQueuedSchema,
  PlaceReleasedSchema,
} from './generated/batuta/execution/v1/limits_pb.js';
import type {
  AcquirePlaceJson,
  HoldersCheckedJson,
  LimiterChangedJson,
  LimiterOpenedJson,
  LimiterPlaceJson,
  LimiterViewJson,
  PlaceEvictedJson,
  PlaceGrantedJson,
  PlaceMessageJson,
  PlaceQueuedJson,
  PlaceReleasedJson,
  PlaceReplyJson,
  ReleasePlaceJson,
} from './generated/batuta/execution/v1/limits_pb.js';
import type { OnLimit } from './codes.js';
import type { Priority } from './subjects.js';
import { uuidV5 } from './uuid-v5.js';
import type { Override, Wire } from './wire.js';

/** The data of each event type of limiters. */
export interface LimiterEventData {
  LimiterOpened: Wire<LimiterOpenedJson>;
  LimiterChanged: Wire<LimiterChangedJson>;
  PlaceQueued: Override<Wire<PlaceQueuedJson>, { priority: Priority }>;
  PlaceGranted: Override<Wire<PlaceGrantedJson>, { priority: Priority }>;
  PlaceEvicted: Wire<PlaceEvictedJson>;
  PlaceReleased: Override<Wire<PlaceReleasedJson>, { cause: 'released' | 'asked_again' | 'lost' }>;
  HoldersChecked: Wire<HoldersCheckedJson>;
}
export type LimiterEventType = keyof LimiterEventData;

/** The result of the decider of limiters. */
export type LimiterDomainEvent = {
  [T in LimiterEventType]: { readonly type: T; readonly data: Readonly<LimiterEventData[T]> };
}[LimiterEventType];

/** One event of a limiter with its place in the log. */
export type LimiterStreamEvent = {
  [T in LimiterEventType]: {
    /** The limiter's id. */
    readonly executionId: string;
    readonly version: number;
    readonly at: number;
    readonly commandId: string;
    readonly position: number;
    readonly partition: number;
    readonly type: T;
    readonly data: Readonly<LimiterEventData[T]>;
  };
}[LimiterEventType];

/** Descriptor of each event type's data. */
export const LIMITER_EVENT_SCHEMAS: { readonly [T in LimiterEventType]: DescMessage } = {
  LimiterOpened: LimiterOpenedSchema,
  LimiterChanged: LimiterChangedSchema,
  PlaceQueued: PlaceQueuedSchema,
  PlaceGranted: PlaceGrantedSchema,
  PlaceEvicted: PlaceEvictedSchema,
  PlaceReleased: PlaceReleasedSchema,
  HoldersChecked: HoldersCheckedSchema,
};

export type AcquirePlace = Override<Wire<AcquirePlaceJson>, { onLimit: OnLimit; priority: Priority }>;
export type ReleasePlace = Wire<ReleasePlaceJson>;
export type PlaceMessage = Override<Wire<PlaceMessageJson, 'by'>, { what: 'granted' | 'evicted' }>;
export type PlaceReply = Override<
  Wire<PlaceReplyJson, 'position' | 'held' | 'limit' | 'reason'>,
  { state: 'held' | 'queued' | 'evicted' | 'refused'; reason?: 'limit_reached' | 'queue_full' }
>;
export type LimiterPlace = Override<Wire<LimiterPlaceJson, 'evicted'>, { priority: Priority }>;
export type LimiterView = Override<Wire<LimiterViewJson>, { holders: LimiterPlace[]; waiters: LimiterPlace[] }>;

/** Limits of limiters. */
export const LIMITER_LIMITS = {
  /** The largest limit. */
  limit: 10_000,
  /** The most that wait for one limiter. More are refused. */
  waiters: 100_000,
  /** The longest key, in characters. */
  keyChars: 256,
} as const;

/** The namespace of the ids of limiters. */
const LIMITERS = '8a7c2f5e-3f7b-5a53-9a52-6f0f3c1d4b90';

/** The id of the limiter of a config and a key. */
export function limiterIdOf(tenantId: string, configId: string, key: string): string {
  return uuidV5(LIMITERS, JSON.stringify([tenantId, configId, key]));
}

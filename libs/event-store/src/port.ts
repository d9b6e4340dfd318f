import type { JsonValue } from '@batuta/contracts';
import type { ChainedEvent } from './chain.js';
import type { StoredEvent } from './kinds.js';

/**
 * An event of the log. `executionId` is the id of its stream: events have had this name since executions were the only
 * kind of stream, and it is in the table and on the wire.
 */
export interface LogEvent {
  readonly executionId: string;
  /** 1, 2, 3 … without gaps within the stream. */
  readonly version: number;
  readonly type: string;
  /** Epoch ms. */
  readonly at: number;
  readonly commandId: string;
  /** Ascending within the partition. */
  readonly position: number;
  readonly partition: number;
  readonly data: unknown;
}

/**
 * An event that is about to be appended. The store assigns its position: the partition's last position plus its rank in
 * the commit.
 */
export interface NewEvent {
  readonly partition: number;
  /** The id of its stream, a UUID. */
  readonly executionId: string;
  /** 1, 2, 3 … without gaps within the stream. */
  readonly version: number;
  readonly type: string;
  /** Not empty, without line breaks. */
  readonly commandId: string;
  /** Epoch ms. */
  readonly at: number;
  /** The event's data as JSON text on one line, made by `canonicalJson` from a value that can be stored. */
  readonly data: string;
  /** On the last event of a stream in a commit: `linkOf` all its events there. Empty on the earlier ones. */
  readonly link: string;
}

/** A partition that a commit writes to or whose epoch it checks, and the position up to which all effects are done. */
export interface FencedPartition {
  readonly partition: number;
  readonly epoch: number;
  readonly publishedPosition: number;
}

/**
 * The row of a stream, with the fields that lists and wake-ups need, derived from its events. A kind that has a table of
 * its own writes its rows there, as `Rows` of the commit. Times are epoch ms.
 */
export interface StreamRow {
  readonly id: string;
  readonly partition: number;
  /** The name of its kind. */
  readonly kind: string;
  readonly tenantId: string;
  readonly name: string;
  /** The config that the stream is about. */
  readonly configId: string;
  readonly status: string;
  readonly version: number;
  /** Lower bound of the next deadline; null when there is none. */
  readonly wakeAt: number | null;
  readonly createdAt: number;
  /** The view that clients get. */
  readonly view: JsonValue;
}

/** A partition of a commit. */
export interface CommitPartition extends FencedPartition {
  /**
   * The position at which the partition's log must end for this commit. If an earlier commit in flight fails, the log
   * ends elsewhere, and this partition's part of the commit is not written either.
   */
  readonly lastPosition: number;
}

/**
 * Everything that one statement writes. `partitions` names each partition of the other fields once, in ascending order.
 * `Rows` are the fields with the rows that a kind of stream writes beside its events. The store's adapter for `Rows`
 * writes them in the same statement.
 */
export type CommitRequest<Rows = unknown> = CommittedStreams & Rows;

export interface CommittedStreams {
  readonly partitions: readonly CommitPartition[];
  readonly events: readonly NewEvent[];
  /** Rows of streams without a table of their own. Each row is written whole. Absent when there are none. */
  readonly streams?: readonly StreamRow[];
}

/**
 * The outcome of a commit.
 * - committed: a partition that is not in `held` has another epoch, or its log ends elsewhere. Nothing was written for
 * it; the rest was written. The map gives each partition's last position before the commit.
 * - rejected: the store itself reported that nothing was written. `transient` when a retry may help.
 * - unknown: the commit may have been written, or may be written later. Never retry it under the same epoch.
 */
export type CommitOutcome =
  | { readonly kind: 'committed'; readonly held: ReadonlyMap<number, number> }
  | { readonly kind: 'rejected'; readonly code: string; readonly message: string; readonly transient: boolean }
  | { readonly kind: 'unknown'; readonly message: string };

/** Number of statements of a lane that may be in flight. */
export const LANE_STATEMENTS = 2;

/**
 * The commits of one connection. At most `LANE_STATEMENTS` statements may be in flight; one more throws. They take
 * effect and end in the order of the calls. When the outcome of one is unknown, the outcome of the later ones is
 * unknown too.
 */
export interface CommitLane<Rows = unknown> {
  commit(request: CommitRequest<Rows>): Promise<CommitOutcome>;
  /** Those of the given partitions whose epoch has not changed. The statement starts after this call. */
  heldEpochs(partitions: readonly FencedPartition[]): Promise<ReadonlySet<number>>;
  close(): Promise<void>;
}

export interface PartitionRecord {
  readonly partition: number;
  readonly owner: string | null;
  /** Whether the owner's lease has not expired, by the store's clock. */
  readonly ownerAlive: boolean;
  readonly epoch: number;
  readonly lastPosition: number;
  readonly publishedPosition: number;
}

export interface OwnershipView {
  readonly partitions: readonly PartitionRecord[];
  /** Names of the owners whose lease has not expired, sorted. */
  readonly liveOwners: readonly string[];
}

/** A partition under the epoch in which it was seen. */
export interface WantedPartition {
  readonly partition: number;
  readonly epoch: number;
}

/** Leases and partitions. All times are by the store's clock. */
export interface OwnershipStore {
  /** Returns the log's number of partitions. The very first call fixes it to `wanted`. */
  fixPartitionCount(wanted: number): Promise<number>;
  /** Makes `incarnation` the only holder of the owner's name. The next renewal by an older incarnation fails. */
  register(owner: string, incarnation: string, leaseMs: number): Promise<void>;
  /** Returns false when another incarnation has taken the name. */
  renew(owner: string, incarnation: string, leaseMs: number): Promise<boolean>;
  /** Ends the lease at once, and releases the partitions that this incarnation still owns. */
  resign(owner: string, incarnation: string): Promise<void>;
  view(): Promise<OwnershipView>;
  /** The store's clock: epoch ms. */
  time(): Promise<number>;
  /**
   * Takes those partitions whose epoch is still the one in the view, and increases it by one. It works only while the
   * caller's own lease is valid. Returns the partitions that were taken. Read their log in a later call only.
   */
  claim(owner: string, incarnation: string, wanted: readonly WantedPartition[]): Promise<PartitionRecord[]>;
  /** Releases the partitions that still have the given epochs. Fenced partitions stay unchanged. */
  release(owner: string, partitions: readonly FencedPartition[]): Promise<void>;
  /** Writes published positions; a position never moves back. Fenced partitions stay unchanged. */
  publish(partitions: readonly FencedPartition[]): Promise<void>;
}

/** How far a reader has read a partition's log. */
export interface LogCursor {
  readonly partition: number;
  readonly after: number;
}

/** A page of a partition's log. */
export interface LogPage<E extends LogEvent = LogEvent> {
  readonly events: E[];
  /** Continue reading after this position. */
  readonly position: number;
  /** Whether the page ended before the limit because its events are large. */
  readonly more?: boolean;
  /** Streams whose events were left out, because this version cannot read them. */
  readonly unreadable?: readonly string[];
}

/** A condition on stored events. The database checks it, so what it excludes is not sent. */
export interface LogFilter {
  /** Distinguishes its statement from those of other filters. */
  readonly name: string;
  /** A condition of PostgreSQL on the columns `type` and `data`. NULL excludes. */
  readonly sql: string;
  /** The same condition. */
  keeps(event: StoredEvent): boolean;
}

/** The events that a reader wants. */
export interface LogSelection {
  /** Only events of this kind of streams. Default: of every kind. */
  readonly kind?: string;
  /** Only these types. Default and empty: all. */
  readonly types?: readonly string[];
  readonly filter?: LogFilter;
}

export interface DueStream {
  readonly id: string;
  readonly partition: number;
  readonly wakeAt: number;
}

export interface NewestEvent {
  readonly version: number;
  readonly type: string;
}

/** Large fields of events that a reader does not want. The database leaves them out, so that they are not sent. */
export interface LargeFields {
  /** Distinguishes its statements from those of other readers. */
  readonly name: string;
  /** The types of events that may have them. */
  readonly types: readonly string[];
  /** Fields of an event's data. */
  readonly fields: readonly string[];
  /** The largest size that is still read. */
  readonly bytes: number;
  /** In place of a large field, the reader gets an object with this key and the size: bytes as JSON, with spaces. */
  readonly mark: string;
}

/** The end of a stream's chain. */
export interface ChainEnd {
  /** The version of its newest event. */
  readonly version: number;
  /** In hex. Empty when the event was stored before links existed. */
  readonly link: string;
}

/** The link of a removed event. */
export interface RemovedLink {
  readonly partition: number;
  readonly position: number;
  /** In hex. */
  readonly link: string;
}

/** Reads the log and the rows that are derived from it. */
export interface StreamReader<E extends LogEvent = LogEvent> {
  /** All events of each stream, in order; a stream without events has no entry. */
  readStreams(ids: readonly string[]): Promise<Map<string, E[]>>;
  /** Events of one stream from a version on, at most `limit`. */
  readEvents(id: string, fromVersion: number, limit: number): Promise<E[]>;
  /** The newest version of each stream and the type of its event, in the order of the ids; undefined for an unknown one. */
  readNewest(ids: readonly string[]): Promise<(NewestEvent | undefined)[]>;
  /** The end of each stream's chain. A stream without events has no entry. */
  readChainEnds(ids: readonly string[]): Promise<Map<string, ChainEnd>>;
  /**
   * Events of one stream with their links, from a version on, at most `limit`. Events are returned as they are stored,
   * whatever their type.
   */
  readChain(id: string, fromVersion: number, limit: number): Promise<ChainedEvent[]>;
  /** The last link of events that were removed from the beginning of a stream. */
  readLastRemoved(id: string): Promise<RemovedLink | undefined>;
  /** For each cursor, in the given order: the events in its partition after its position, at most `limit`. */
  readLogs(cursors: readonly LogCursor[], limit: number, selection?: LogSelection): Promise<LogPage<E>[]>;
  /**
   * Streams of a partition with events after a position. Each appears once with the position of its first such event, in
   * the order of these positions.
   */
  streamsAfter(partition: number, position: number, limit: number): Promise<{ id: string; position: number }[]>;
  /** Streams with a wake-up at or before `until`, earliest first. */
  readDue(partitions: readonly number[], until: number, limit: number): Promise<DueStream[]>;
  /** The earliest wake-up of these partitions. */
  nextDue(partitions: readonly number[]): Promise<number | undefined>;
}

/**
 * A folded state from which loading a stream can start. It contains nothing that does not follow from the events up to
 * its version.
 */
export interface Snapshot {
  /** The id of its stream. */
  readonly executionId: string;
  readonly version: number;
  /** The version of the fold that made it. Another version cannot read it. */
  readonly reducerVersion: number;
  /** The config that the fold needs. Empty and 0 when it needs none. */
  readonly configId: string;
  readonly configVersion: number;
  readonly state: JsonValue;
}

/** Snapshots. Any of them may be missing or be deleted at any time. */
export interface SnapshotStore {
  /** The newest snapshot of each stream that has one of this fold. */
  readSnapshots(ids: readonly string[], reducerVersion: number): Promise<Map<string, Snapshot>>;
  /** Stores a snapshot, unless the same fold has stored one of a later version. */
  writeSnapshot(snapshot: Snapshot): Promise<void>;
}

/** The whole store. `E`: the events of all its kinds. `Rows`: see `CommitRequest`. */
export interface EventStore<E extends LogEvent = LogEvent, Rows = unknown>
  extends OwnershipStore, StreamReader<E>, SnapshotStore {
  openLane(): CommitLane<Rows>;
  /** Throws when the store cannot be reached. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

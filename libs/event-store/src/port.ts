import type { ChainedEvent } from './chain.js';
import type { Event, EventType, ExecutionStarted, JsonObject, JsonValue, ScheduleEventType } from '@batuta/contracts';

/** An event about to be appended. Its position is given by the store: the partition's last one plus its rank here. */
export interface NewEvent {
  readonly partition: number;
  /** A UUID. */
  readonly executionId: string;
  /** 1, 2, 3 … without gaps within the execution. */
  readonly version: number;
  readonly type: EventType | ScheduleEventType;
  /** Not empty, without line breaks. */
  readonly commandId: string;
  /** Epoch ms. */
  readonly at: number;
  /** The event's data as JSON text on one line, as `canonicalJson` makes it of a value that can be stored. */
  readonly data: string;
  /** On the last event of an execution in a commit: `linkOf` all of them. Empty on those before it. */
  readonly link: string;
}

/** A partition that a commit writes to, or whose epoch it checks, and the position below which all effects are done. */
export interface FencedPartition {
  readonly partition: number;
  readonly epoch: number;
  readonly publishedPosition: number;
}

/** What a list filters on or a wake-up needs; every field is derived from events. Times are epoch ms. */
export interface ExecutionRow {
  readonly id: string;
  readonly partition: number;
  readonly traceId: string;
  readonly configId: string;
  readonly configName: string;
  readonly configVersion: number;
  readonly tenantId: string;
  readonly userId: string;
  readonly sessionId: string | null;
  readonly createdBy: string;
  readonly callbackUrl: string | null;
  readonly input: JsonValue | undefined;
  readonly metadata: JsonObject | null;
  readonly createdAt: number;
  readonly progress: ExecutionProgress;
}

/** The part of an execution's row that changes. */
export interface ExecutionProgress {
  readonly status: string;
  /** The execution's version when the row was written. */
  readonly version: number;
  /** Lower bound of the next deadline, retry, delay or timer; null when finished. */
  readonly wakeAt: number | null;
  readonly output: JsonValue | undefined;
  readonly startedAt: number | null;
  readonly pausedAt: number | null;
  readonly completedAt: number | null;
  readonly totalLatencyMs: number | null;
  readonly estimatedCost: number;
  readonly tokenCount: number;
}

/** A change of a row that exists. */
export interface ExecutionChange {
  readonly id: string;
  readonly partition: number;
  readonly progress: ExecutionProgress;
}

/** The row of a stream that is no execution: what lists and wake-ups need of it, derived from its events. Times are epoch ms. */
export interface StreamRow {
  readonly id: string;
  readonly partition: number;
  readonly kind: 'schedule';
  readonly tenantId: string;
  readonly name: string;
  /** The config that it is about. */
  readonly configId: string;
  readonly status: string;
  readonly version: number;
  /** Lower bound of its next deadline; null when there is none. */
  readonly wakeAt: number | null;
  readonly createdAt: number;
  /** As it is shown. */
  readonly view: JsonValue;
}

/** A partition of a commit. */
export interface CommitPartition extends FencedPartition {
  /** Where its log has to end for the commit: what was sent before this one and did not come to be takes this one's part along. */
  readonly lastPosition: number;
}

/** Everything that one statement writes. `partitions` names each partition of the rest once, in ascending order. */
export interface CommitRequest {
  readonly partitions: readonly CommitPartition[];
  readonly events: readonly NewEvent[];
  readonly started: readonly ExecutionRow[];
  readonly changed: readonly ExecutionChange[];
  /** Rows of other streams, written whole; absent for none. */
  readonly streams?: readonly StreamRow[];
}

/**
 * What became of a commit.
 * - committed: partitions that are not in `held` have another epoch or their log ends elsewhere, and nothing of theirs was
 *   written; the others' part stands. The value is the partition's last position before the commit.
 * - rejected: the store itself said that nothing was written. `transient` when trying again may help.
 * - unknown: it may have been written, or may still be: never retry under the same epoch.
 */
export type CommitOutcome =
  | { readonly kind: 'committed'; readonly held: ReadonlyMap<number, number> }
  | { readonly kind: 'rejected'; readonly code: string; readonly message: string; readonly transient: boolean }
  | { readonly kind: 'unknown'; readonly message: string };

/** Statements of a lane that may be in flight. */
export const LANE_STATEMENTS = 2;

/**
 * One connection's worth of commits. At most `LANE_STATEMENTS` statements are in flight, which take effect and end in the order
 * of the calls; one more throws. When the outcome of one is unknown, so is that of those behind it.
 */
export interface CommitLane {
  commit(request: CommitRequest): Promise<CommitOutcome>;
  /** The given partitions whose epoch is still the given one, seen by a statement that began after this call. */
  heldEpochs(partitions: readonly FencedPartition[]): Promise<ReadonlySet<number>>;
  close(): Promise<void>;
}

export interface PartitionRecord {
  readonly partition: number;
  readonly owner: string | null;
  /** Whether the owner's lease is running, by the store's clock. */
  readonly ownerAlive: boolean;
  readonly epoch: number;
  readonly lastPosition: number;
  readonly publishedPosition: number;
}

export interface OwnershipView {
  readonly partitions: readonly PartitionRecord[];
  /** Names of the owners whose lease is running, sorted. */
  readonly liveOwners: readonly string[];
}

/** Leases and partitions. All times are by the store's clock. */
export interface OwnershipStore {
  /** Number of partitions of this log; the first caller ever fixes it to `wanted`. */
  fixPartitionCount(wanted: number): Promise<number>;
  /** Makes `incarnation` the only holder of the owner's name; an older incarnation's next renewal fails. */
  register(owner: string, incarnation: string, leaseMs: number): Promise<void>;
  /** False when another incarnation has taken the name. */
  renew(owner: string, incarnation: string, leaseMs: number): Promise<boolean>;
  /** Ends the lease at once, and gives up what this incarnation still owns. */
  resign(owner: string, incarnation: string): Promise<void>;
  view(): Promise<OwnershipView>;
  /** The store's clock: epoch ms. */
  time(): Promise<number>;
  /**
   * Takes the partitions that still have the epoch that the view gave, raising it by one. Only while the caller's own
   * lease is running. Returns what was taken; read their log only in a later call.
   */
  claim(
    owner: string,
    incarnation: string,
    wanted: readonly { readonly partition: number; readonly epoch: number }[],
  ): Promise<PartitionRecord[]>;
  /** Gives partitions up that are still held with the given epochs; a fenced one is left alone. */
  release(owner: string, partitions: readonly FencedPartition[]): Promise<void>;
  /** Writes published positions that only move forward; a fenced partition is left alone. */
  publish(partitions: readonly FencedPartition[]): Promise<void>;
}

/** How far somebody has read a partition's log. */
export interface LogCursor {
  readonly partition: number;
  readonly after: number;
}

/** A page of a partition's log. */
export interface LogPage {
  readonly events: Event[];
  /** Read on from here. */
  readonly position: number;
  /** Executions of which events were left out, because this version cannot read them. */
  readonly unreadable?: readonly string[];
}

export interface DueExecution {
  readonly id: string;
  readonly partition: number;
  readonly wakeAt: number;
}

export interface NewestEvent {
  readonly version: number;
  readonly type: EventType;
}

/** Where an execution's chain ends. */
export interface ChainEnd {
  /** Of its newest event. */
  readonly version: number;
  /** In hex; empty when that event was stored before there were links. */
  readonly link: string;
}

/** How an execution began, without what may be large. */
export type Start = Omit<ExecutionStarted, 'input' | 'metadata'>;

/** Reading the log and what is derived from it. Where nothing else is said, an execution may be a stream of another kind. */
export interface LogReader {
  /** All events of each execution, in order; an execution without events has no entry. */
  readExecutions(ids: readonly string[]): Promise<Map<string, Event[]>>;
  /** Events of one execution from a version on, at most `limit`. */
  readEvents(executionId: string, fromVersion: number, limit: number): Promise<Event[]>;
  /** The newest version of each with the type of its event, in the order asked; undefined when unknown. */
  readNewest(ids: readonly string[]): Promise<(NewestEvent | undefined)[]>;
  /** Where the chain of each execution ends; an execution without events has no entry. */
  readChainEnds(ids: readonly string[]): Promise<Map<string, ChainEnd>>;
  /** Events of one execution with their links, from a version on, at most `limit`; as stored, whatever their type. */
  readChain(executionId: string, fromVersion: number, limit: number): Promise<ChainedEvent[]>;
  /** How each execution began; an execution without events has no entry. */
  readStarts(ids: readonly string[]): Promise<Map<string, Start>>;
  /**
   * For each cursor, in the order asked: its partition's events of executions after its position, at most `limit` of them, of these types
   * only (empty: all); with `onlyCalledBackStarts`, of starts only those that name a callback_url.
   */
  readLogs(
    cursors: readonly LogCursor[],
    limit: number,
    types: readonly EventType[],
    onlyCalledBackStarts?: boolean,
  ): Promise<LogPage[]>;
  /** Executions of a partition with events after a position, each once with the first of these, in that order. */
  executionsAfter(partition: number, position: number, limit: number): Promise<{ id: string; position: number }[]>;
  /** Unfinished streams due at or before `until`, earliest first. */
  readDue(partitions: readonly number[], until: number, limit: number): Promise<DueExecution[]>;
  /** The earliest wake-up of these partitions. */
  nextDue(partitions: readonly number[]): Promise<number | undefined>;
  /** Unfinished executions, and nothing else, of a partition in id order, after `afterId`. */
  readUnfinished(partition: number, afterId: string | undefined, limit: number): Promise<string[]>;
}

/** What is kept of an agent: the pool that serves it, and the JSON Schemas of its input and output that it has. */
export interface AgentCopy {
  readonly pool: string;
  readonly inputSchema?: JsonValue;
  readonly outputSchema?: JsonValue;
}

/** A deleted execution of which there is still more than its last event. */
export interface DeletedExecution {
  readonly id: string;
  readonly partition: number;
  /** Of the event that says that it is deleted. */
  readonly position: number;
}

/** A link of an event that was removed. */
export interface RemovedLink {
  readonly partition: number;
  readonly position: number;
  /** In hex. */
  readonly link: string;
}

/** Removing what deleted executions leave. */
export interface HistoryStore {
  /** Deleted executions of these partitions that have more than their last event, at most `limit`. */
  readDeleted(partitions: readonly number[], limit: number): Promise<DeletedExecution[]>;
  /**
   * Removes all of these executions but the event that says that they are deleted, and keeps the links of what is removed. What is not
   * deleted is left alone. Returns the ids of those it removed something of.
   */
  removeHistory(ids: readonly string[]): Promise<string[]>;
  /** The removed link before the event that says that the execution is deleted. */
  readLastRemoved(executionId: string): Promise<RemovedLink | undefined>;
}

/** The status of a deleted execution's row until it is removed. */
export const DELETED_STATUS = 'deleted';

/** The execution service's own copies of what the config service owns. */
export interface ConfigCopies {
  readConfig(configId: string, version: number): Promise<JsonObject | undefined>;
  /** Keeps the first copy of a version; versions never change. */
  writeConfig(configId: string, version: number, tenantId: string, definition: JsonObject): Promise<void>;
  readAgent(tenantId: string, name: string): Promise<AgentCopy | undefined>;
  /** Keeps the last copy. */
  writeAgent(tenantId: string, name: string, agent: AgentCopy): Promise<void>;
}

/** A folded state to begin loading an execution from. It holds nothing that the events up to its version do not. */
export interface Snapshot {
  readonly executionId: string;
  readonly version: number;
  /** The fold that made it; another one cannot read it. */
  readonly reducerVersion: number;
  readonly configId: string;
  readonly configVersion: number;
  readonly state: JsonValue;
}

/** Snapshots: any of them may be missing or be deleted at any time. */
export interface SnapshotStore {
  /** The newest snapshot of each execution that has one made by this fold. */
  readSnapshots(ids: readonly string[], reducerVersion: number): Promise<Map<string, Snapshot>>;
  /** Keeps a snapshot unless there is one of a later version by the same fold. */
  writeSnapshot(snapshot: Snapshot): Promise<void>;
}

/** The whole store, as a service uses it. */
export interface EventStore extends OwnershipStore, LogReader, HistoryStore, ConfigCopies {
  openLane(): CommitLane;
  /** Throws when the store cannot be reached. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

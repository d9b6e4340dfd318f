import type { ChainedEvent } from './chain.js';
import type { Event, EventType, ExecutionStarted, JsonObject, JsonValue, ScheduleEventType } from '@batuta/contracts';

/**
 * An event that is about to be appended. The store assigns its position: the partition's last position plus its rank in
 * the commit.
 */
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
  /** The event's data as JSON text on one line, made by `canonicalJson` from a value that can be stored. */
  readonly data: string;
  /** On the last event of an execution in a commit: `linkOf` all its events there. Empty on the earlier ones. */
  readonly link: string;
}

/** A partition that a commit writes to or whose epoch it checks, and the position up to which all effects are done. */
export interface FencedPartition {
  readonly partition: number;
  readonly epoch: number;
  readonly publishedPosition: number;
}

/** The fields that lists filter by and wake-ups need. All of them are derived from events. Times are epoch ms. */
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

/** The part of an execution's row that changes during its run. */
export interface ExecutionProgress {
  readonly status: string;
  /** The execution's version when the row was written. */
  readonly version: number;
  /** Lower bound of the next deadline, retry, delay or timer; null when the execution is finished. */
  readonly wakeAt: number | null;
  readonly output: JsonValue | undefined;
  readonly startedAt: number | null;
  readonly pausedAt: number | null;
  readonly completedAt: number | null;
  readonly totalLatencyMs: number | null;
  readonly estimatedCost: number;
  readonly tokenCount: number;
}

/** A change of an existing row. */
export interface ExecutionChange {
  readonly id: string;
  readonly partition: number;
  readonly progress: ExecutionProgress;
}

/**
 * The row of a stream that is not an execution, with the fields that lists and wake-ups need, derived from its events.
 * Times are epoch ms.
 */
export interface StreamRow {
  readonly id: string;
  readonly partition: number;
  readonly kind: 'schedule';
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
 */
export interface CommitRequest {
  readonly partitions: readonly CommitPartition[];
  readonly events: readonly NewEvent[];
  readonly started: readonly ExecutionRow[];
  readonly changed: readonly ExecutionChange[];
  /** Rows of other streams. Each row is written whole. Absent when there are none. */
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
export interface CommitLane {
  commit(request: CommitRequest): Promise<CommitOutcome>;
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
  claim(
    owner: string,
    incarnation: string,
    wanted: readonly { readonly partition: number; readonly epoch: number }[],
  ): Promise<PartitionRecord[]>;
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
export interface LogPage {
  readonly events: Event[];
  /** Continue reading after this position. */
  readonly position: number;
  /** Executions whose events were left out, because this version cannot read them. */
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

/** The end of an execution's chain. */
export interface ChainEnd {
  /** The version of its newest event. */
  readonly version: number;
  /** In hex. Empty when the event was stored before links existed. */
  readonly link: string;
}

/** The start of an execution, without the fields that may be large. */
export type Start = Omit<ExecutionStarted, 'input' | 'metadata'>;

/**
 * Reads the log and the rows that are derived from it. An "execution" here may also be a stream of another kind, unless
 * the comment says otherwise.
 */
export interface LogReader {
  /** All events of each execution, in order; an execution without events has no entry. */
  readExecutions(ids: readonly string[]): Promise<Map<string, Event[]>>;
  /** Events of one execution from a version on, at most `limit`. */
  readEvents(executionId: string, fromVersion: number, limit: number): Promise<Event[]>;
  /**
   * The newest version of each execution and the type of its event, in the order of the ids; undefined for an unknown
   * execution.
   */
  readNewest(ids: readonly string[]): Promise<(NewestEvent | undefined)[]>;
  /** The end of each execution's chain. An execution without events has no entry. */
  readChainEnds(ids: readonly string[]): Promise<Map<string, ChainEnd>>;
  /**
   * Events of one execution with their links, from a version on, at most `limit`. Events are returned as they are
   * stored, whatever their type.
   */
  readChain(executionId: string, fromVersion: number, limit: number): Promise<ChainedEvent[]>;
  /** The start of each execution. An execution without events has no entry. */
  readStarts(ids: readonly string[]): Promise<Map<string, Start>>;
  /**
   * For each cursor, in the given order: the events of executions in its partition after its position, at most `limit`.
   * `types` selects the types (empty: all). With `onlyCalledBackStarts`, starts without a callback_url are left out.
   */
  readLogs(
    cursors: readonly LogCursor[],
    limit: number,
    types: readonly EventType[],
    onlyCalledBackStarts?: boolean,
  ): Promise<LogPage[]>;
  /**
   * Executions of a partition with events after a position. Each appears once with the position of its first such
   * event, in the order of these positions.
   */
  executionsAfter(partition: number, position: number, limit: number): Promise<{ id: string; position: number }[]>;
  /** Unfinished streams due at or before `until`, earliest first. */
  readDue(partitions: readonly number[], until: number, limit: number): Promise<DueExecution[]>;
  /** The earliest wake-up of these partitions. */
  nextDue(partitions: readonly number[]): Promise<number | undefined>;
  /** Ids of a partition's unfinished executions (no other streams) after `afterId`, in the order of ids. */
  readUnfinished(partition: number, afterId: string | undefined, limit: number): Promise<string[]>;
}

/** An agent that is made of a model: the config of the executions that it works in. */
export interface AgentModelCopy {
  readonly configId: string;
  readonly revision: number;
  readonly definition: JsonObject;
}

/** The local copy of an agent: its pool, and the JSON Schemas of its input and output if it has them. */
export interface AgentCopy {
  /** Empty for an agent that is made of a model. */
  readonly pool: string;
  readonly model?: AgentModelCopy;
  readonly inputSchema?: JsonValue;
  readonly outputSchema?: JsonValue;
}

/** A deleted execution that still has more than its last event. */
export interface DeletedExecution {
  readonly id: string;
  readonly partition: number;
  /** The position of the event that records the deletion. */
  readonly position: number;
}

/** The link of a removed event. */
export interface RemovedLink {
  readonly partition: number;
  readonly position: number;
  /** In hex. */
  readonly link: string;
}

/** The events of a deleted execution, to be put back where they were. */
export interface RemovedHistory {
  readonly executionId: string;
  /** All events before the one that records the deletion, in order. */
  readonly events: readonly ChainedEvent[];
  /** Its row after the event that records the deletion. */
  readonly row: ExecutionRow;
}

/**
 * The outcome of putting events back.
 * - restored: they are in the log.
 * - present: they were in the log already.
 * - different: nothing was written, because the log kept other links than theirs, or the deletion is not the newest event.
 */
export type RestoreOutcome = 'restored' | 'present' | 'different';

/** Removes the data of deleted executions. */
export interface HistoryStore {
  /** Deleted executions of these partitions that still have more than their last event, at most `limit`. */
  readDeleted(partitions: readonly number[], limit: number): Promise<DeletedExecution[]>;
  /**
   * Removes all data of these executions except the event that records the deletion, and keeps the links of removed
   * events. Ignores executions that are not deleted. Returns the ids of the executions of which it removed something.
   */
  removeHistory(ids: readonly string[]): Promise<string[]>;
  /**
   * Puts the removed events of a deleted execution back at their places, and its row with the status of a deleted one.
   * So `removeHistory` removes them again unless an event follows that makes the execution readable. All or nothing.
   */
  restoreHistory(history: RemovedHistory): Promise<RestoreOutcome>;
  /** The last removed link before the event that records the deletion. */
  readLastRemoved(executionId: string): Promise<RemovedLink | undefined>;
}

/** The status of a deleted execution's row until it is removed. */
export const DELETED_STATUS = 'deleted';

/** The execution service's own copies of data that the config service owns. */
export interface ConfigCopies {
  readConfig(configId: string, version: number): Promise<JsonObject | undefined>;
  /** Stores a version unless there is a copy already. Versions never change. */
  writeConfig(configId: string, version: number, tenantId: string, definition: JsonObject): Promise<void>;
  readAgent(tenantId: string, name: string): Promise<AgentCopy | undefined>;
  /** Stores the agent, and replaces an earlier copy. */
  writeAgent(tenantId: string, name: string, agent: AgentCopy): Promise<void>;
}

/**
 * A folded state from which loading an execution can start. It contains nothing that does not follow from the events up
 * to its version.
 */
export interface Snapshot {
  readonly executionId: string;
  readonly version: number;
  /** The version of the fold that made it. Another version cannot read it. */
  readonly reducerVersion: number;
  readonly configId: string;
  readonly configVersion: number;
  readonly state: JsonValue;
}

/** Snapshots. Any of them may be missing or be deleted at any time. */
export interface SnapshotStore {
  /** The newest snapshot of each execution that has one of this fold. */
  readSnapshots(ids: readonly string[], reducerVersion: number): Promise<Map<string, Snapshot>>;
  /** Stores a snapshot, unless the same fold has stored one of a later version. */
  writeSnapshot(snapshot: Snapshot): Promise<void>;
}

/** The whole store, as a service uses it. */
export interface EventStore extends OwnershipStore, LogReader, HistoryStore, ConfigCopies {
  openLane(): CommitLane;
  /** Throws when the store cannot be reached. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

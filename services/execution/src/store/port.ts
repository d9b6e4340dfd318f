import type { Event, ExecutionStarted, JsonObject, JsonValue } from '@batuta/contracts';
import type { ChainedEvent, CommitLane, CommitRequest, EventStore, StreamReader } from '@batuta/event-store';

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

/** The rows of executions that a commit writes beside its events. */
export interface ExecutionRows {
  readonly started: readonly ExecutionRow[];
  readonly changed: readonly ExecutionChange[];
}

export type ExecutionCommit = CommitRequest<ExecutionRows>;
export type ExecutionLane = CommitLane<ExecutionRows>;

/** The start of an execution, without the fields that may be large. */
export type Start = Omit<ExecutionStarted, 'input' | 'metadata'>;

/** Reads the log of executions and of the other kinds of streams, and the rows of executions. */
export interface ExecutionReader extends StreamReader<Event> {
  /** The start of each execution. An execution without events has no entry. */
  readStarts(ids: readonly string[]): Promise<Map<string, Start>>;
  /** Ids of a partition's unfinished executions after `afterId`, in the order of ids. */
  readUnfinished(partition: number, afterId: string | undefined, limit: number): Promise<string[]>;
}

/** A deleted execution that still has more than its last event. */
export interface DeletedExecution {
  readonly id: string;
  readonly partition: number;
  /** The position of the event that records the deletion. */
  readonly position: number;
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
}

/** The status of a deleted execution's row until it is removed. */
export const DELETED_STATUS = 'deleted';

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

/** The execution service's own copies of data that the config service owns. */
export interface ConfigCopies {
  readConfig(configId: string, version: number): Promise<JsonObject | undefined>;
  /** Stores a version unless there is a copy already. Versions never change. */
  writeConfig(configId: string, version: number, tenantId: string, definition: JsonObject): Promise<void>;
  readAgent(tenantId: string, name: string): Promise<AgentCopy | undefined>;
  /** Stores the agent, and replaces an earlier copy. */
  writeAgent(tenantId: string, name: string, agent: AgentCopy): Promise<void>;
}

/** The event store with what the execution service has beside it. */
export interface ExecutionStore extends EventStore<Event, ExecutionRows>, ExecutionReader, HistoryStore, ConfigCopies {}

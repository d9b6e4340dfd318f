export { ChainWalk, canonicalJson, linkOf } from './chain.js';
export type { ChainProblem, ChainedEvent, Link, LinkedEvent } from './chain.js';
export { SealKeys, merklePath, merkleRoot, sealKeysOf, statementOf } from './checkpoint.js';
export type { Checkpoint, MerkleStep } from './checkpoint.js';
export type {
  AgentCopy,
  AgentModelCopy,
  ChainEnd,
  CommitLane,
  CommitPartition,
  CommitOutcome,
  CommitRequest,
  ConfigCopies,
  DeletedExecution,
  DueExecution,
  EventStore,
  ExecutionChange,
  ExecutionProgress,
  ExecutionRow,
  FencedPartition,
  HistoryStore,
  LogCursor,
  LogPage,
  LogReader,
  NewestEvent,
  NewEvent,
  OwnershipStore,
  OwnershipView,
  PartitionRecord,
  RemovedHistory,
  RemovedLink,
  RestoreOutcome,
  Snapshot,
  SnapshotStore,
  Start,
  StreamRow,
} from './port.js';
export { DELETED_STATUS, LANE_STATEMENTS } from './port.js';
export { encodeJson, mayHoldUnstorable, storableJson } from './encode-json.js';
export { UnreadableEventError, isExecutionEvent, readableEvent, upcast } from './upcast.js';
export type { StoredEvent, Upcaster } from './upcast.js';
export { MemoryEventStore } from './memory/memory-event-store.js';
export { encodeExecutionRows } from './postgres/execution-row.js';
export { migrateEventStore } from './postgres/migrate.js';
export { PostgresEventStore, seeAllTenants } from './postgres/postgres-event-store.js';
export type { PostgresEventStoreOptions } from './postgres/postgres-event-store.js';

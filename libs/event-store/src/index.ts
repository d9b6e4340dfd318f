export { ChainWalk, canonicalJson, linkOf } from './chain.js';
export type { ChainProblem, ChainedEvent, Link, LinkedEvent } from './chain.js';
export { SealKeys, merklePath, merkleRoot, sealKeysOf, statementOf } from './checkpoint.js';
export type { Checkpoint, MerkleStep } from './checkpoint.js';
export type {
  ChainEnd,
  CommitLane,
  CommitPartition,
  CommitOutcome,
  CommitRequest,
  CommittedStreams,
  DueStream,
  EventStore,
  FencedPartition,
  LargeFields,
  LogCursor,
  LogEvent,
  LogFilter,
  LogPage,
  LogSelection,
  NewestEvent,
  NewEvent,
  OwnershipStore,
  OwnershipView,
  PartitionRecord,
  RemovedLink,
  Snapshot,
  SnapshotStore,
  StreamReader,
  StreamRow,
} from './port.js';
export { LANE_STATEMENTS } from './port.js';
export { encodeJson, mayHoldUnstorable, storableJson } from './encode-json.js';
export { StreamKinds, UnreadableEventError } from './kinds.js';
export type { StoredEvent, StreamKind, Upcaster } from './kinds.js';
export { MemoryEventStore, UNIQUE_VIOLATION } from './memory/memory-event-store.js';
export type { CommitRefusal, MemoryRows, MemoryStreams } from './memory/memory-event-store.js';
export { encodeRows } from './postgres/columns.js';
export type { Column } from './postgres/columns.js';
export { migrateEventStore } from './postgres/migrate.js';
export { PostgresEventStore, PostgresStreams, seeAllTenants } from './postgres/postgres-event-store.js';
export type { PostgresEventStoreOptions } from './postgres/postgres-event-store.js';
export { insertedRows, updatedRows } from './postgres/rows-beside.js';
export type { RowsBeside, RowsPart } from './postgres/rows-beside.js';
export { REMOVE_EVENTS } from './postgres/sql/history.js';

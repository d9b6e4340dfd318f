import type { Commit, ExecutionChanges, StreamChanges } from './lane/batch.js';
import type { BusyPoll } from './lane/busy-poll.js';
import type { LaneLimits } from './lane/lane-parts.js';
import type { Partition } from './lane/partition.js';
import type { OwnershipSettings } from './ownership/ownership.js';
import type { EngineCounters } from './ports/counters.js';
import type { EnginePorts } from './ports/ports.js';
import type { QueueWatchSettings } from './effects/queue-watch.js';
import type { WakerSettings } from './timers/waker.js';

export interface EngineSettings {
  readonly ownership: OwnershipSettings;
  readonly lanes: number;
  /** Number of partitions, used only by the very first start. */
  readonly partitions: number;
  readonly limits: LaneLimits;
  readonly waker: WakerSettings;
  readonly queue: QueueWatchSettings;
  /** After a takeover or a stall, attempt deadlines wait this long. */
  readonly graceMs: number;
  /** Memory limit for executions. */
  readonly cacheBytes: number;
  /** How many effects may wait for another try. With more, no start is accepted. */
  readonly pendingEffects: number;
  /** How long a release waits for acknowledgements of effects. */
  readonly drainMs: number;
}

export interface EngineOptions {
  readonly ports: EnginePorts;
  readonly settings: EngineSettings;
  readonly incarnation: string;
  /** Counters to use, if others count in them too. */
  readonly counters?: EngineCounters;
  /** Called for small commits. Default: the process sleeps while they are in flight. */
  readonly busyPoll?: BusyPoll | undefined;
  /** Called when another process has started under this name. */
  readonly onSuperseded: () => void;
  /** Called for each successful commit, for metrics and traces, before `onCommitted`. */
  readonly onCommit?: (commit: Commit) => void;
  /**
   * Whether spans of a trace are recorded, for services that continue it. Default: as the caller of the start decides.
   */
  readonly sampled?: (traceId: string) => boolean;
  /** Called with each commit's changes, for read models. */
  readonly onCommitted?: (changes: ExecutionChanges) => void;
  /** The same for streams of every kind. */
  readonly onStreamCommitted?: (changes: StreamChanges) => void;
  /** Called when a partition is taken, or not owned any more. */
  readonly onOwned?: (partition: Partition) => void;
  /** The position up to which projections have written a partition. Default: everything. */
  readonly projected?: (partition: Partition) => number;
  /** Called at each lease with the store's time (epoch ms) and its age. Without it, the time is not requested. */
  readonly onStoreTime?: (time: number, agoMs: number) => void;
}

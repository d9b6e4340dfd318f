import type { CommitLane } from '@batuta/event-store';
import type { Commit, StreamChanges } from './batch.js';
import type { BusyPoll } from './busy-poll.js';
import type { ConfigRegistry } from './config-registry.js';
import type { EngineCounters } from './counters.js';
import type { StreamLoader } from './execution-loader.js';
import type { EffectTicket, HotStream, Partition } from './partition.js';
import type { Clock, EngineLog, Random } from './ports.js';

export interface LaneLimits {
  /** A commit takes at most this many events; what comes beyond waits for the next. */
  readonly commitEvents: number;
  readonly commitBytes: number;
  /** Inputs that may wait for a commit or for a recovery; beyond it they are dropped, and their senders ask again. */
  readonly waitingInputs: number;
}

/** What a lane asks of its engine. */
export interface LaneOwner {
  /** The partition as this process owns it now. */
  partition(id: number): Partition | undefined;
  /** The partition's epoch has moved on. */
  lost(partition: Partition, reason: string): void;
  /**
   * Raises the epochs of partitions after a commit whose outcome is unknown, with nothing of them in memory; resolves
   * when each either has a new epoch or is lost.
   */
  reclaim(partitions: readonly Partition[]): Promise<void>;
  /** A commit holds. Called before `committed`. */
  stored(commit: Commit): void;
  /** Performs what a commit asks for. Called once for each stream of a commit that holds; `ticket` is the commit's in its partition. */
  committed(changes: StreamChanges, ticket: EffectTicket): void;
  /** The execution was loaded or changed: its memory counts, and it may have a new wake-up. */
  changed(execution: HotStream): void;
}

export interface LaneParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: EngineLog;
  readonly commits: CommitLane;
  readonly configs: ConfigRegistry;
  readonly loader: StreamLoader;
  readonly counters: EngineCounters;
  readonly limits: LaneLimits;
  readonly owner: LaneOwner;
  /** Told of small commits, where there is a core for waiting awake. */
  readonly busyPoll?: BusyPoll | undefined;
}

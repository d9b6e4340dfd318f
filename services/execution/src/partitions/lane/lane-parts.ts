import type { ExecutionLane } from '../../store/port.js';
import type { Commit, StreamChanges } from './batch.js';
import type { BusyPoll } from './busy-poll.js';
import type { ConfigRegistry } from '../ports/config-registry.js';
import type { EngineCounters } from '../ports/counters.js';
import type { StreamLoader } from './execution-loader.js';
import type { EffectTicket, HotStream, Partition } from './partition.js';
import type { Clock, EngineLog, Random } from '../ports/ports.js';

export interface LaneLimits {
  /** A commit has at most this many events. Further events wait for the next commit. */
  readonly commitEvents: number;
  readonly commitBytes: number;
  /**
   * How many inputs may wait for a commit or for a recovery. Further inputs are dropped, and their senders ask again.
   */
  readonly waitingInputs: number;
}

/** What a lane needs from its engine. */
interface LaneOwner {
  /** The partition, if this process owns it now. */
  partition(id: number): Partition | undefined;
  /** The partition has a higher epoch now. */
  lost(partition: Partition, reason: string): void;
  /**
   * Raises the epochs of partitions after a commit with an unknown outcome, when memory has nothing uncommitted of
   * them. Resolves when each has a new epoch or is lost.
   */
  reclaim(partitions: readonly Partition[]): Promise<void>;
  /** A commit has succeeded. Called before `committed`. */
  stored(commit: Commit): void;
  /**
   * Performs the effects of a commit. Called once for each stream of a successful commit. `ticket` is the commit's
   * ticket in its partition.
   */
  committed(changes: StreamChanges, ticket: EffectTicket): void;
  /** The execution was loaded or changed: its memory counts, and it may have a new wake-up. */
  changed(execution: HotStream): void;
}

export interface LaneParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: EngineLog;
  readonly commits: ExecutionLane;
  readonly configs: ConfigRegistry;
  readonly loader: StreamLoader;
  readonly counters: EngineCounters;
  readonly limits: LaneLimits;
  readonly owner: LaneOwner;
  /** Called for small commits, if there is a core for busy waiting. */
  readonly busyPoll?: BusyPoll | undefined;
}

import type { EngineCounters } from '../ports/counters.js';
import type { HotStream, Partition } from './partition.js';
import { kindOf } from './streams.js';

interface ExecutionCacheParts {
  readonly counters: Pick<EngineCounters, 'evictions'>;
  readonly partitions: () => readonly Partition[];
  /** Memory limit for executions. */
  readonly limitBytes: number;
  /** The stream stays in memory, so its deadlines must be watched. */
  readonly kept: (execution: HotStream) => void;
}

/** After so many changes the use of memory is compared with its limit. */
const CHANGES_PER_CHECK = 200;

/** Decides which streams stay in memory. */
export class ExecutionCache {
  readonly #parts: ExecutionCacheParts;
  #changes = 0;

  constructor(parts: ExecutionCacheParts) {
    this.#parts = parts;
  }

  get bytes(): number {
    let bytes = 0;
    for (const partition of this.#parts.partitions()) bytes += partition.bytes;
    return bytes;
  }

  changed(execution: HotStream): void {
    const { committed, partition } = execution;
    if (committed !== undefined && kindOf(committed).isOver(committed) && execution.idle) {
      // Queries are answered from the log, and inputs hardly follow. Keeping it would only burden garbage collection.
      partition.forgetEnded(execution);
      return;
    }
    this.#parts.kept(execution);
    this.#changes += 1;
    if (this.#changes >= CHANGES_PER_CHECK) {
      this.#changes = 0;
      if (this.bytes > this.#parts.limitBytes) this.#evict();
    }
  }

  /**
   * Forgets executions that were not used since the last check and have nothing in flight, until enough memory is free.
   */
  #evict(): void {
    const enough = this.#parts.limitBytes * 0.8;
    let bytes = this.bytes;
    for (const partition of this.#parts.partitions()) {
      for (const execution of partition.executions.values()) {
        if (bytes <= enough) return;
        if (execution.used) {
          execution.used = false;
        } else if (execution.idle) {
          bytes -= execution.bytes;
          partition.evict(execution);
          this.#parts.counters.evictions += 1;
        }
      }
    }
  }
}

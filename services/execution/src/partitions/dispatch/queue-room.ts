import type { Clock, EngineLog } from '../ports/ports.js';
import type { PoolQueue } from './pool-queue.js';
import type { Pools } from './pools.js';
import type { RunnerTable } from './runner-table.js';

interface QueueRoomParts {
  readonly clock: Clock;
  readonly log: Pick<EngineLog, 'warn'>;
  /** Whether tasks may go straight to runners. */
  readonly direct: boolean;
  /** How many tasks workers have taken from a pool's work queue and not finished. Rejects when this is unknown. */
  readonly taken: ((pool: string) => Promise<number>) | undefined;
}

/**
 * If a pool has no free slot for this owner for this long (more than the time between two beats), other owners count as
 * having used its share.
 */
const PATIENCE_MS = 1_000;
/** Tasks in the work queue in addition to those that can run at once, so that workers do not wait for the next task. */
const AHEAD = 16;
const AHEAD_SHARE = 1.5;

/** How many tasks of each pool this owner may put into the work queue. */
export class QueueRoom {
  readonly #parts: QueueRoomParts;
  readonly #table: RunnerTable;
  readonly #pools: Pools;
  /** How many tasks workers have taken from the work queue, by pool, at the last check. */
  readonly #taken = new Map<string, number>();

  constructor(parts: QueueRoomParts, table: RunnerTable, pools: Pools) {
    this.#parts = parts;
    this.#table = table;
    this.#pools = pools;
  }

  /**
   * Whether other owners have used this owner's share of the slots for some time, because they fill free slots before a
   * beat reports them. A task in the work queue gets a slot anyway.
   */
  isCrowdedOut(pool: PoolQueue): boolean {
    const now = this.#parts.clock.elapsed();
    pool.fullSince ??= now;
    return (
      now - pool.fullSince >= PATIENCE_MS && pool.running < Math.ceil(this.#table.slots(pool.name) * this.#pools.part)
    );
  }

  /** How many tasks of a pool this owner may have in the work queue and with the workers that take from it. */
  most(pool: string): number {
    const slots = this.#table.slots(pool);
    const taken = this.#taken.get(pool) ?? 0;
    // Queued tasks keep others from going straight to runners, so there are no more than workers can run at once.
    const all = this.#parts.direct && slots > 0 ? slots : Math.max(slots, taken) * AHEAD_SHARE + AHEAD;
    return Math.max(1, Math.ceil(all * this.#pools.part));
  }

  /** Checks how many tasks workers have taken from the queue. Resolves to whether there may be more room now. */
  async look(pool: PoolQueue): Promise<boolean> {
    try {
      const taken = await this.#parts.taken?.(pool.name);
      if (taken === undefined || this.#pools.get(pool.name) !== pool) return false;
      this.#taken.set(pool.name, taken);
      return true;
    } catch (error) {
      this.#parts.log.warn({ err: error, pool: pool.name }, 'the work queue of a pool cannot be looked at now');
      return false;
    }
  }

  /** Nothing of the pool waits, so what was taken from its queue says nothing any more. */
  forget({ name }: PoolQueue): void {
    this.#taken.delete(name);
  }
}

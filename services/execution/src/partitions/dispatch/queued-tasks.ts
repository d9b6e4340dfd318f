import { SlotMap } from '@batuta/collections';
import type { PoolQueue, Share } from './pool-queue.js';

/** A task in the work queue, or taken from it, as far as this owner knows. */
interface QueuedTask {
  readonly pool: PoolQueue;
  readonly share: Share;
  /** Elapsed time since the last check whether it is still wanted. */
  since: number;
}

/** An attempt that was queued this long ago may have ended without a result. This many are checked at a time. */
const DOUBTED_MS = 5_000;
const MOST_DOUBTED = 100;

/** The attempts of this owner that are in the work queue, or that workers took from it. */
export class QueuedTasks {
  /** By attempt. */
  readonly #queued = new SlotMap<string, QueuedTask>();

  clear(): void {
    this.#queued.clear();
  }

  add(attemptKey: string, pool: PoolQueue, share: Share, now: number): QueuedTask {
    pool.begin(share);
    pool.queued += 1;
    const queued: QueuedTask = { pool, share, since: now };
    this.#queued.set(attemptKey, queued);
    return queued;
  }

  /** Whether this is still the attempt's newest way through the queue. */
  has(attemptKey: string, queued: QueuedTask): boolean {
    return this.#queued.get(attemptKey) === queued;
  }

  /** Removes an attempt that is over or not in the queue any more. Undefined when it was not known to be there. */
  take(attemptKey: string): QueuedTask | undefined {
    if (this.#queued.size === 0) return undefined;
    const queued = this.#queued.take(attemptKey);
    if (queued === undefined) return undefined;
    queued.pool.queued -= 1;
    queued.pool.end(queued.share);
    return queued;
  }

  /** Attempts that were queued long ago. Each call gives the next ones. */
  doubted(now: number): [string, QueuedTask][] {
    const doubted: [string, QueuedTask][] = [];
    for (const entry of this.#queued) {
      // Checked entries are at the end.
      if (entry[1].since > now - DOUBTED_MS || doubted.length >= MOST_DOUBTED) break;
      doubted.push(entry);
    }
    for (const [key, queued] of doubted) {
      queued.since = now;
      this.#queued.take(key);
      this.#queued.set(key, queued);
    }
    return doubted;
  }
}

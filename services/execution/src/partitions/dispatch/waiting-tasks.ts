import type { PoolQueue, Share, WaitingTask } from './pool-queue.js';
import type { Clock, LostTask, OutgoingTask, PublishOutcome } from '../ports/ports.js';

/** Limits of the tasks that wait in this process. */
export interface WaitingSizes {
  /** Tasks in memory, and their characters. Further tasks are rebuilt when their turn comes near. */
  readonly tasks: number;
  readonly length: number;
  /** Tasks of one tenant and pool that may always wait in memory, whatever others use. */
  readonly least: number;
  /** For one tenant and pool: with fewer tasks in memory, the next shelved ones are rebuilt. */
  readonly mark: number;
  /** Tasks of which only the name is kept. The audit finds tasks beyond this limit. */
  readonly shelved: number;
}

const SIZES: WaitingSizes = { tasks: 20_000, length: 32 * 1024 * 1024, least: 16, mark: 200, shelved: 200_000 };
/** One tenant may use at most this share of them in one pool. */
const SHARE_OF_SIZES = 0.5;
/** A dispatch that waits longer no longer holds back its partition's published position. */
const KEPT_OPEN_MS = 60_000;
/** A task taken from the shelf is dispatched again within this time, or is not wanted any more. */
const CALLED_MS = 10_000;

/**
 * The tasks that wait in this process for their turn. Each is in one of three places.
 *
 * - In memory, with everything that its runner needs.
 * - On the shelf: only its name is kept, because its tenant has too many.
 * - Called: it was taken from the shelf, and is being rebuilt.
 */
export class WaitingTasks {
  readonly #clock: Clock;
  /** Rebuilds these tasks and dispatches them again. */
  readonly #rebuild: (tasks: readonly LostTask[]) => void;
  readonly #sizes: WaitingSizes;
  /** Attempts in memory, with their tasks, or null for shelved ones. */
  readonly #waiting = new Map<string, WaitingTask | null>();
  #count = 0;
  #length = 0;
  #shelvedCount = 0;
  readonly #called = new Map<string, { readonly share: Share; readonly since: number }>();
  #unshelving = false;

  constructor(clock: Clock, rebuild: (tasks: readonly LostTask[]) => void, sizes: WaitingSizes = SIZES) {
    this.#clock = clock;
    this.#rebuild = rebuild;
    this.#sizes = sizes;
  }

  get shelved(): number {
    return this.#shelvedCount;
  }

  has(attemptKey: string): boolean {
    return this.#waiting.has(attemptKey) || this.#called.has(attemptKey);
  }

  clear(): void {
    this.#waiting.clear();
  }

  /**
   * Joins a dispatch to one that waits here, in memory or on the shelf. Both get the same outcome. Returns false when
   * none waits.
   */
  join(attemptKey: string, done: (outcome: PublishOutcome) => void): boolean {
    if (this.#waiting.size === 0) return false;
    const waiting = this.#waiting.get(attemptKey);
    if (waiting === undefined) return false;
    const before = waiting?.done;
    if (waiting === null || before === undefined) {
      queueMicrotask(() => done('put_aside'));
    } else {
      waiting.done = (outcome) => {
        before(outcome);
        done(outcome);
      };
    }
    return true;
  }

  /**
   * Keeps a task until its turn: in memory, or only its name. `called`: it comes from the shelf. `held`: a pause holds it
   * back, so it takes no more memory than it must.
   */
  add(
    pool: PoolQueue,
    share: Share,
    task: OutgoingTask,
    done: (outcome: PublishOutcome) => void,
    called: boolean,
    held = false,
  ): void {
    const { attemptKey, length, lostRunners, priority } = task;
    const sizes = this.#sizes;
    const fits =
      !held &&
      this.#count < sizes.tasks &&
      this.#length + length <= sizes.length &&
      share.waiting < sizes.tasks * SHARE_OF_SIZES &&
      share.length + length <= sizes.length * SHARE_OF_SIZES;
    if ((fits && (share.shelved === 0 || called)) || share.waiting < sizes.least) {
      const waiting: WaitingTask = { task, done, since: this.#clock.elapsed() };
      pool.push(share, waiting);
      this.#waiting.set(attemptKey, waiting);
      this.#count += 1;
      this.#length += length;
      return;
    }
    if (this.#shelvedCount < sizes.shelved) {
      share.shelve(priority, { attemptKey, lostRunners });
      this.#waiting.set(attemptKey, null);
      this.#shelvedCount += 1;
    }
    queueMicrotask(() => done('put_aside'));
  }

  /** Removes the task that the share's `peek` returns. */
  take(pool: PoolQueue, share: Share): void {
    const waiting = pool.shift(share);
    if (waiting === undefined) return;
    this.#waiting.delete(waiting.task.attemptKey);
    this.#count -= 1;
    this.#length -= waiting.task.length;
  }

  /** Rebuilds shelved tasks whose turn comes near. */
  unshelve(share: Share): void {
    // A rebuilt task may go back to the shelf at once. Without this check, it would be taken from there again and
    // again.
    if (this.#unshelving) return;
    const lost: LostTask[] = [];
    while (share.waiting + share.called < this.#sizes.mark) {
      const shelved = share.unshelve();
      if (shelved === undefined) break;
      const { attemptKey, lostRunners } = shelved;
      this.#shelvedCount -= 1;
      this.#waiting.delete(attemptKey);
      this.#called.set(attemptKey, { share, since: this.#clock.elapsed() });
      share.called += 1;
      lost.push(lostTask(attemptKey, lostRunners));
    }
    if (lost.length === 0) return;
    this.#unshelving = true;
    try {
      this.#rebuild(lost);
    } finally {
      this.#unshelving = false;
    }
  }

  /** A task from the shelf has been dispatched again, or never will be. Returns false when it was not called. */
  hasCome(attemptKey: string): boolean {
    if (this.#called.size === 0) return false;
    const called = this.#called.get(attemptKey);
    if (called === undefined) return false;
    this.#called.delete(attemptKey);
    called.share.called -= 1;
    return true;
  }

  /** Dispatches of the pool that wait for long count as done. */
  putAside(pool: PoolQueue, now: number): void {
    for (const share of pool.shares) {
      for (const waiting of share.waitingSince(now - KEPT_OPEN_MS)) {
        const { done } = waiting;
        waiting.done = undefined;
        done?.('put_aside');
      }
    }
  }

  /** Forgets the called tasks that did not come. */
  forgetCalled(now: number): void {
    for (const [key, { since }] of this.#called) {
      if (since > now - CALLED_MS) break;
      this.hasCome(key);
    }
  }
}

export function lostTask(attemptKey: string, lostRunners: number): LostTask {
  const [executionId = '', stepId = '', attempt = ''] = attemptKey.split('/');
  return { executionId, stepId, attempt: Number(attempt), lostRunners };
}

import { SandboxBusyError, SandboxClosedError } from './errors.js';
import { WorkerThread } from './worker-thread.js';
import type { JobOutcome, Role } from './worker-thread.js';

interface Waiting {
  /** Makes the job when its turn comes: as text a job may be large, and many may wait. */
  readonly job: () => unknown;
  readonly timeoutMs: number;
  readonly resolve: (outcome: JobOutcome) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export interface WorkerPoolOptions {
  readonly role: Role;
  readonly threads: number;
  readonly memoryMb: number;
  /** Jobs of one tenant that may wait for a thread; more are refused with `SandboxBusyError`. */
  readonly maxQueued: number;
  /** Milliseconds that a job may wait for a thread. */
  readonly maxWaitMs: number;
}

/**
 * Threads of one role, started when first needed and replaced when a job made one unusable. Tenants whose jobs wait take
 * turns, so that nobody waits for more than one job of each other tenant.
 */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #idle: WorkerThread[] = [];
  readonly #all = new Set<WorkerThread>();
  /** Jobs that wait, by tenant; the tenant whose turn is next comes first, and one without jobs is not in it. */
  readonly #queues = new Map<string, Set<Waiting>>();
  #closed = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  /**
   * Runs a job in a thread of its own; the outcome says whether a limit ended it.
   * @throws SandboxBusyError when too many jobs wait or the job waited too long, SandboxClosedError after `close`.
   */
  async run(job: () => unknown, timeoutMs: number, tenantId: string): Promise<JobOutcome> {
    if (this.#closed) throw new SandboxClosedError();
    const thread = this.#take();
    if (thread !== undefined) return this.#runIn(thread, job, timeoutMs);
    const queue = this.#queues.get(tenantId) ?? new Set<Waiting>();
    if (queue.size >= this.#options.maxQueued) throw new SandboxBusyError();
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        job,
        timeoutMs,
        resolve,
        reject,
        timer: setTimeout(() => {
          queue.delete(waiting);
          if (queue.size === 0) this.#queues.delete(tenantId);
          reject(new SandboxBusyError());
        }, this.#options.maxWaitMs),
      };
      queue.add(waiting);
      this.#queues.set(tenantId, queue);
    });
  }

  /** Ends every thread; jobs that wait are rejected with `SandboxClosedError`. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const waiting of [...this.#queues.values()].flatMap((queue) => [...queue])) {
      clearTimeout(waiting.timer);
      waiting.reject(new SandboxClosedError());
    }
    this.#queues.clear();
    await Promise.all([...this.#all].map((thread) => thread.close()));
    this.#all.clear();
    this.#idle.length = 0;
  }

  #take(): WorkerThread | undefined {
    for (let thread = this.#idle.pop(); thread !== undefined; thread = this.#idle.pop()) {
      if (thread.alive) return thread;
      this.#all.delete(thread);
    }
    if (this.#all.size >= this.#options.threads) return undefined;
    const thread = new WorkerThread(this.#options.role, this.#options.memoryMb);
    this.#all.add(thread);
    return thread;
  }

  async #runIn(thread: WorkerThread, job: () => unknown, timeoutMs: number): Promise<JobOutcome> {
    const outcome = await thread.run(job(), timeoutMs);
    if (thread.alive) this.#idle.push(thread);
    else this.#all.delete(thread);
    if (!this.#closed) this.#startNext();
    return outcome;
  }

  #startNext(): void {
    const [turn] = this.#queues;
    if (turn === undefined) return;
    const thread = this.#take();
    if (thread === undefined) return;
    const [tenantId, queue] = turn;
    const [next] = queue;
    this.#queues.delete(tenantId);
    if (next === undefined) return;
    queue.delete(next);
    // Behind all others that wait.
    if (queue.size > 0) this.#queues.set(tenantId, queue);
    clearTimeout(next.timer);
    this.#runIn(thread, next.job, next.timeoutMs).then(next.resolve, next.reject);
  }
}

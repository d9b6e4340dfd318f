import { cpuShares } from './cpu-shares.js';
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
  /**
   * Jobs of one tenant that run at once. There is one thread more, started when it is first needed, so that a tenant that has all it may have leaves
   * another one a thread.
   */
  readonly threads: number;
  readonly memoryMb: number;
  /** Jobs of one tenant that may wait for a thread; more are refused with `SandboxBusyError`. */
  readonly maxQueued: number;
  /** Milliseconds that a job may wait for a thread. */
  readonly maxWaitMs: number;
}

/**
 * Threads of one role, started when first needed and replaced when a job made one unusable. One tenant never has them all, so that beside one that
 * asks without end another begins at once. Tenants whose jobs wait take turns, so that nobody waits for more than one job of
 * each other tenant. All pools of a process share its cores (`CpuShares`).
 */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #idle: WorkerThread[] = [];
  readonly #all = new Set<WorkerThread>();
  /** Jobs that wait, by tenant; the tenant whose turn is next comes first, and one without jobs is not in it. */
  readonly #queues = new Map<string, Set<Waiting>>();
  /** Jobs that run, by tenant. */
  readonly #running = new Map<string, number>();
  readonly #leaveShares: () => void;
  #closed = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#leaveShares = cpuShares.add(() => this.#startNext());
  }

  /**
   * Runs a job in a thread of its own; the outcome says whether a limit ended it.
   * @throws SandboxBusyError when too many jobs wait or the job waited too long, SandboxClosedError after `close`.
   */
  async run(job: () => unknown, timeoutMs: number, tenantId: string): Promise<JobOutcome> {
    if (this.#closed) throw new SandboxClosedError();
    // Whoever waits goes first: a later job of the tenant may not pass it.
    const thread = this.#queues.has(tenantId) ? undefined : this.#takeFor(tenantId);
    if (thread !== undefined) return this.#runIn(thread, job, timeoutMs, tenantId);
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
    this.#leaveShares();
    for (const waiting of [...this.#queues.values()].flatMap((queue) => [...queue])) {
      clearTimeout(waiting.timer);
      waiting.reject(new SandboxClosedError());
    }
    this.#queues.clear();
    await Promise.all([...this.#all].map((thread) => thread.close()));
    this.#all.clear();
    this.#idle.length = 0;
  }

  #takeFor(tenantId: string): WorkerThread | undefined {
    const mayRun = (this.#running.get(tenantId) ?? 0) < this.#options.threads && cpuShares.mayBegin(tenantId);
    return mayRun ? this.#take() : undefined;
  }

  #take(): WorkerThread | undefined {
    for (let thread = this.#idle.pop(); thread !== undefined; thread = this.#idle.pop()) {
      if (thread.alive) return thread;
      this.#all.delete(thread);
    }
    if (this.#all.size > this.#options.threads) return undefined;
    const thread = new WorkerThread(this.#options.role, this.#options.memoryMb);
    this.#all.add(thread);
    return thread;
  }

  async #runIn(thread: WorkerThread, job: () => unknown, timeoutMs: number, tenantId: string): Promise<JobOutcome> {
    this.#running.set(tenantId, (this.#running.get(tenantId) ?? 0) + 1);
    cpuShares.began(tenantId);
    let since = performance.now();
    // What a thread takes to start says nothing of the job.
    void thread.ready.then(() => (since = performance.now()));
    try {
      return await thread.run(job(), timeoutMs);
    } finally {
      const others = (this.#running.get(tenantId) ?? 1) - 1;
      if (others > 0) this.#running.set(tenantId, others);
      else this.#running.delete(tenantId);
      if (thread.alive) this.#idle.push(thread);
      else this.#all.delete(thread);
      cpuShares.ended(tenantId, performance.now() - since);
      this.#startNext();
    }
  }

  #startNext(): void {
    if (this.#closed) return;
    for (const [tenantId, queue] of this.#queues) {
      const [next] = queue;
      const thread = next === undefined ? undefined : this.#takeFor(tenantId);
      if (next === undefined || thread === undefined) continue;
      queue.delete(next);
      // Behind all others that wait.
      this.#queues.delete(tenantId);
      if (queue.size > 0) this.#queues.set(tenantId, queue);
      clearTimeout(next.timer);
      this.#runIn(thread, next.job, next.timeoutMs, tenantId).then(next.resolve, next.reject);
      return;
    }
  }
}

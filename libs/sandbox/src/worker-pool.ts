import { cpuShares } from './cpu-shares.js';
import { SandboxBusyError, SandboxClosedError } from './errors.js';
import { WorkerThread } from './worker-thread.js';
import type { JobOutcome, Role } from './worker-thread.js';

interface Waiting {
  /** Creates the job when its turn comes. A job is text, may be large, and many may wait. */
  readonly job: () => unknown;
  readonly timeoutMs: number;
  readonly resolve: (outcome: JobOutcome) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

interface WorkerPoolOptions {
  readonly role: Role;
  /**
   * Maximum number of jobs of one tenant that run at once. The pool has one more thread, started when first needed. So
   * a tenant that uses its maximum still leaves a thread to another tenant.
   */
  readonly threads: number;
  readonly memoryMb: number;
  /** Maximum number of jobs of one tenant that wait for a thread. Further ones are refused with `SandboxBusyError`. */
  readonly maxQueued: number;
  /** Milliseconds for which a job may wait for a thread. */
  readonly maxWaitMs: number;
}

/**
 * Threads of one role, started when first needed and replaced when a job has made one unusable. One tenant never has
 * all threads, so the first job of another tenant starts at once. Tenants whose jobs wait take turns, so a job waits
 * for at most one job of each other tenant. All pools of a process share its cores (`CpuShares`).
 *
 * The start of a thread takes more than 100 ms of CPU time, and a long job often ends its thread. So tenants with long
 * jobs leave one started thread to the others: they start another one themselves, or wait. So do tenants whose jobs are
 * not known yet, but these do not wait.
 */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #idle: WorkerThread[] = [];
  readonly #all = new Set<WorkerThread>();
  /**
   * Waiting jobs by tenant. The tenant whose turn comes next is first. A tenant without waiting jobs is not in the map.
   */
  readonly #queues = new Map<string, Set<Waiting>>();
  /** Number of running jobs by tenant. */
  readonly #running = new Map<string, number>();
  readonly #look = (): void => this.#startNext();
  readonly #leaveShares: () => void;
  #started = 0;
  #closed = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#leaveShares = cpuShares.add(this.#look);
  }

  /** Number of threads that were ever started. */
  get started(): number {
    return this.#started;
  }

  /**
   * Runs a job in its own thread. The outcome tells whether a limit ended it.
   * @throws SandboxBusyError when too many jobs wait, the job waited too long, or no thread starts; SandboxClosedError after `close`.
   */
  async run(job: () => unknown, timeoutMs: number, tenantId: string): Promise<JobOutcome> {
    if (this.#closed) throw new SandboxClosedError();
    // Waiting jobs go first: a later job of the tenant must not overtake them.
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

  /** Ends all threads. Waiting jobs are rejected with `SandboxClosedError`. */
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
    if (!mayRun) return undefined;
    const kind = cpuShares.kindOf(tenantId);
    if (kind === 'short' || this.#idle.length > 1) return this.#takeIdle() ?? this.#start();
    return this.#start() ?? (kind === 'unknown' ? this.#takeIdle() : undefined);
  }

  #takeIdle(): WorkerThread | undefined {
    for (let thread = this.#idle.pop(); thread !== undefined; thread = this.#idle.pop()) {
      if (thread.alive) return thread;
      this.#all.delete(thread);
    }
    return undefined;
  }

  /** A new thread, unless the pool has all its threads. */
  #start(): WorkerThread | undefined {
    if (this.#all.size > this.#options.threads) return undefined;
    const thread = new WorkerThread(this.#options.role, this.#options.memoryMb);
    this.#started += 1;
    this.#all.add(thread);
    return thread;
  }

  async #runIn(thread: WorkerThread, job: () => unknown, timeoutMs: number, tenantId: string): Promise<JobOutcome> {
    this.#running.set(tenantId, (this.#running.get(tenantId) ?? 0) + 1);
    cpuShares.began(tenantId, this.#look);
    let usedMs = 0;
    try {
      const ended = await thread.run(job(), timeoutMs);
      ({ usedMs } = ended);
      const { outcome } = ended;
      if (outcome.kind !== 'not_started') return outcome;
      if (this.#closed) return { kind: 'crash', message: 'the sandbox is closed' };
      throw new SandboxBusyError('No thread for schemas, expressions and templates could be started.');
    } finally {
      const others = (this.#running.get(tenantId) ?? 1) - 1;
      if (others > 0) this.#running.set(tenantId, others);
      else this.#running.delete(tenantId);
      if (thread.alive) this.#idle.push(thread);
      else this.#all.delete(thread);
      cpuShares.ended(tenantId, usedMs);
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
      // Moves the tenant to the end.
      this.#queues.delete(tenantId);
      if (queue.size > 0) this.#queues.set(tenantId, queue);
      clearTimeout(next.timer);
      this.#runIn(thread, next.job, next.timeoutMs, tenantId).then(next.resolve, next.reject);
      return;
    }
  }
}

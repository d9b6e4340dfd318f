import { availableParallelism } from 'node:os';

/** Jobs whose average CPU time is at least this count as long. */
const LONG_MS = 20;
/** Weight of a tenant's latest job in its average. */
const LATEST = 0.3;
/** A tenant that started a job within this time counts as active. */
const ACTIVE_MS = 10_000;
/**
 * Number of tenants whose average is remembered. The tenant that has started nothing for longest is forgotten first.
 */
const MOST_TENANTS = 1_000;

interface Share {
  /** Undefined until the first job has ended. */
  averageMs: number | undefined;
  running: number;
}

interface Begun {
  readonly tenantId: string;
  readonly at: number;
}

/** When jobs of tenants began: the latest job, and the latest one of another tenant. */
class LatestJobs {
  #latest: Begun | undefined;
  #other: Begun | undefined;

  add(begun: Begun): void {
    if (this.#latest !== undefined && this.#latest.tenantId !== begun.tenantId) this.#other = this.#latest;
    this.#latest = begun;
  }

  /** The time of the latest job of another tenant than this one. */
  besides(tenantId: string): number {
    return (this.#latest?.tenantId === tenantId ? this.#other : this.#latest)?.at ?? -Infinity;
  }
}

/**
 * Limits how many long jobs run at once in all sandboxes of a process. The process's pools together have more threads
 * than the machine has cores. So while another tenant is active, a tenant with long jobs leaves one core free. While a
 * tenant with short jobs is active, all tenants with long jobs together leave one core free. Until the first job of a
 * tenant has ended, its jobs may be long. Short jobs are never delayed.
 */
export class CpuShares {
  readonly #most: number;
  readonly #now: () => number;
  readonly #shares = new Map<string, Share>();
  /** The pools. Those in which a long job has begun latest come last. */
  readonly #pools = new Set<() => void>();
  /** The tenants that have running jobs. */
  readonly #busy = new Set<string>();
  readonly #jobs = new LatestJobs();
  readonly #shortJobs = new LatestJobs();

  constructor(most = Math.max(1, availableParallelism() - 1), now: () => number = () => performance.now()) {
    this.#most = most;
    this.#now = now;
  }

  /**
   * Adds a pool. `look` is called when the pool may be able to start another job. Call the returned function to remove
   * the pool.
   */
  add(look: () => void): () => void {
    this.#pools.add(look);
    return () => this.#pools.delete(look);
  }

  /** How long the tenant's jobs take on average. */
  kindOf(tenantId: string): 'short' | 'long' | 'unknown' {
    const share = this.#shares.get(tenantId);
    if (share?.averageMs === undefined) return 'unknown';
    return isLong(share) ? 'long' : 'short';
  }

  mayBegin(tenantId: string): boolean {
    const share = this.#shares.get(tenantId);
    if (share === undefined || isShort(share)) return true;
    const since = this.#now() - ACTIVE_MS;
    if (isLong(share) && this.#shortJobs.besides(tenantId) >= since && this.#longRunning() >= this.#most) return false;
    return share.running < this.#most || this.#jobs.besides(tenantId) < since;
  }

  /** `look` is that of the job's pool. */
  began(tenantId: string, look?: () => void): void {
    const begun = { tenantId, at: this.#now() };
    this.#jobs.add(begun);
    const share = this.#shares.get(tenantId) ?? { averageMs: undefined, running: 0 };
    share.running += 1;
    this.#busy.add(tenantId);
    if (isShort(share)) this.#shortJobs.add(begun);
    // Pools take turns too. The one that was added first would otherwise get every free core.
    if (isLong(share) && look !== undefined && this.#pools.delete(look)) this.#pools.add(look);
    // Moves the tenant to the end: it started the latest job.
    this.#shares.delete(tenantId);
    this.#shares.set(tenantId, share);
    if (this.#shares.size <= MOST_TENANTS) return;
    for (const [id, { running }] of this.#shares) {
      if (running > 0) continue;
      this.#shares.delete(id);
      return;
    }
  }

  /** `usedMs` is the CPU time of the job: on a busy machine short jobs take long by the clock. */
  ended(tenantId: string, usedMs: number): void {
    const share = this.#shares.get(tenantId);
    if (share === undefined) return;
    share.running -= 1;
    if (share.running === 0) this.#busy.delete(tenantId);
    const wasShort = isShort(share);
    const before = share.averageMs ?? 0;
    share.averageMs = before + LATEST * (usedMs - before);
    if (wasShort) return;
    // The next job may wait in any pool of the process. A pool that begins one moves to the end, so this needs a copy.
    const looks = [...this.#pools];
    for (const look of looks) look();
  }

  #longRunning(): number {
    let running = 0;
    for (const tenantId of this.#busy) {
      const share = this.#shares.get(tenantId);
      if (share !== undefined && isLong(share)) running += share.running;
    }
    return running;
  }
}

const isLong = ({ averageMs }: Share): boolean => averageMs !== undefined && averageMs >= LONG_MS;
const isShort = ({ averageMs }: Share): boolean => averageMs !== undefined && averageMs < LONG_MS;

/** The shares of this process. */
export const cpuShares = new CpuShares();

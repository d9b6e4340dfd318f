import { availableParallelism } from 'node:os';

/** Jobs whose average time is at least this count as long. */
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
  averageMs: number;
  running: number;
}

interface Begun {
  readonly tenantId: string;
  readonly at: number;
}

/**
 * Limits how many long jobs of one tenant run at once in all sandboxes of a process. The process's pools together have
 * more threads than the machine has cores. So while another tenant is active, a tenant with long jobs leaves one core
 * free. Short jobs are never delayed.
 */
export class CpuShares {
  readonly #most: number;
  readonly #now: () => number;
  readonly #shares = new Map<string, Share>();
  readonly #pools = new Set<() => void>();
  #latest: Begun | undefined;
  /** The latest job of a tenant other than that of `#latest`. */
  #other: Begun | undefined;

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

  mayBegin(tenantId: string): boolean {
    const share = this.#shares.get(tenantId);
    if (share === undefined || share.averageMs < LONG_MS || share.running < this.#most) return true;
    const other = this.#latest?.tenantId === tenantId ? this.#other : this.#latest;
    return other === undefined || this.#now() - other.at > ACTIVE_MS;
  }

  began(tenantId: string): void {
    if (this.#latest !== undefined && this.#latest.tenantId !== tenantId) this.#other = this.#latest;
    this.#latest = { tenantId, at: this.#now() };
    const share = this.#shares.get(tenantId) ?? { averageMs: 0, running: 0 };
    share.running += 1;
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

  ended(tenantId: string, tookMs: number): void {
    const share = this.#shares.get(tenantId);
    if (share === undefined) return;
    share.running -= 1;
    const wasLong = share.averageMs >= LONG_MS;
    share.averageMs += LATEST * (tookMs - share.averageMs);
    // The tenant's next job may wait in any pool of the process.
    if (wasLong) for (const look of this.#pools) look();
  }
}

/** The shares of this process. */
export const cpuShares = new CpuShares();

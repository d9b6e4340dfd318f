import { availableParallelism } from 'node:os';

/** Jobs that take this long on average count as long. */
const LONG_MS = 20;
/** How much a tenant's latest job counts in its average. */
const LATEST = 0.3;
/** A tenant that began a job within this time wants the cores too. */
const ACTIVE_MS = 10_000;
/** Tenants whose average is known; the one that began nothing for longest is forgotten first. */
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
 * How many long jobs of one tenant run at once in all sandboxes of a process. Each of its pools has threads, and together they are more than the
 * machine has cores. So a tenant whose jobs are long leaves a core to everybody else, as long as there is anybody else. Short
 * jobs are never held back.
 */
export class CpuShares {
  readonly #shares = new Map<string, Share>();
  readonly #pools = new Set<() => void>();
  #latest: Begun | undefined;
  /** The latest of another tenant than `#latest`. */
  #other: Begun | undefined;

  constructor(
    private readonly most = Math.max(1, availableParallelism() - 1),
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Adds a pool, which is told when it may look again for a job to begin; the result takes it away. */
  add(look: () => void): () => void {
    this.#pools.add(look);
    return () => this.#pools.delete(look);
  }

  mayBegin(tenantId: string): boolean {
    const share = this.#shares.get(tenantId);
    if (share === undefined || share.averageMs < LONG_MS || share.running < this.most) return true;
    const other = this.#latest?.tenantId === tenantId ? this.#other : this.#latest;
    return other === undefined || this.now() - other.at > ACTIVE_MS;
  }

  began(tenantId: string): void {
    if (this.#latest !== undefined && this.#latest.tenantId !== tenantId) this.#other = this.#latest;
    this.#latest = { tenantId, at: this.now() };
    const share = this.#shares.get(tenantId) ?? { averageMs: 0, running: 0 };
    share.running += 1;
    // The one that began a job last stands last.
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
    // Its next job may wait in any pool of the process.
    if (wasLong) for (const look of this.#pools) look();
  }
}

/** Of this process. */
export const cpuShares = new CpuShares();

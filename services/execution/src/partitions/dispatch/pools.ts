import { PoolQueue, TenantUse } from './pool-queue.js';
import type { TenantTerms } from './pool-queue.js';

const EQUAL_TERMS: TenantTerms = { weight: 1, running: Infinity };

/** The pools that have tasks of this owner, and the tenants of these tasks with their limits. */
export class Pools {
  readonly #terms: ((tenantId: string) => TenantTerms) | undefined;
  readonly #pools = new Map<string, PoolQueue>();
  readonly #tenants = new Map<string, TenantUse>();
  #part = 1;

  /** `terms`: the limits of a tenant. Default: the same for all, without a limit. */
  constructor(terms: ((tenantId: string) => TenantTerms) | undefined) {
    this.#terms = terms;
  }

  /** This owner's share of all partitions. It may use the same share of the limits of tasks. */
  get part(): number {
    return this.#part;
  }

  set part(part: number) {
    this.#part = part;
    this.termsChanged();
  }

  /** The limits of tenants have changed. */
  termsChanged(): void {
    for (const tenant of this.#tenants.values()) tenant.terms = this.#termsOf(tenant.id);
  }

  get all(): Iterable<PoolQueue> {
    return this.#pools.values();
  }

  get tenants(): Iterable<TenantUse> {
    return this.#tenants.values();
  }

  get(name: string): PoolQueue | undefined {
    return this.#pools.get(name);
  }

  tenant(tenantId: string): TenantUse | undefined {
    return this.#tenants.get(tenantId);
  }

  /** The pool of this name. It is created if nothing knows it yet. */
  of(name: string): PoolQueue {
    let pool = this.#pools.get(name);
    if (pool === undefined) {
      pool = new PoolQueue(name, (tenantId) => this.#tenantOf(tenantId));
      this.#pools.set(name, pool);
    }
    return pool;
  }

  #tenantOf(tenantId: string): TenantUse {
    let tenant = this.#tenants.get(tenantId);
    if (tenant === undefined) {
      tenant = new TenantUse(tenantId, this.#termsOf(tenantId));
      this.#tenants.set(tenantId, tenant);
    }
    return tenant;
  }

  #termsOf(tenantId: string): TenantTerms {
    const { weight, running } = this.#terms?.(tenantId) ?? EQUAL_TERMS;
    return running === Infinity
      ? { weight, running }
      : { weight, running: Math.max(1, Math.ceil(running * this.#part)) };
  }

  /** Forgets what was not used in the last periods. */
  forgetUnused(): void {
    for (const pool of this.#pools.values()) {
      if (pool.tenants === 0 && pool.queued === 0) this.#pools.delete(pool.name);
    }
    for (const [id, tenant] of this.#tenants) if (tenant.shares === 0) this.#tenants.delete(id);
  }

  clear(): void {
    this.#pools.clear();
  }
}

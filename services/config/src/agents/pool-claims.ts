import { DEFAULT_POOL } from '@batuta/contracts';
import { seeingEverybody } from '@batuta/service';
import type { Queries } from '@batuta/service';
import type { DataSource, EntityManager } from 'typeorm';
import { refuse, RefusedError } from '../access/refusals.js';

/** First key of the locks under which pools are claimed. Any fixed number that no other lock with two keys uses. */
const CLAIM_LOCK = 7_205;
const MAX_POOLS = 100;

/**
 * Decides which tenant may have agents in a pool. A pool's worker runs tasks of every agent in the pool. So a tenant
 * with an agent in another tenant's pool would get answers from that tenant's workers. The first tenant that registers
 * an agent in a pool owns it from then on, even after it deletes the agent, because its workers may still run.
 */
export class PoolClaims {
  /** Pools that every tenant may use. */
  readonly #shared: ReadonlySet<string>;

  constructor(shared: readonly string[]) {
    this.#shared = new Set([DEFAULT_POOL, ...shared]);
  }

  /** Whether every tenant may use the pool. */
  isShared(pool: string): boolean {
    return this.#shared.has(pool);
  }

  /** The tenants that may have agents in a pool that is not shared. */
  async tenantsOf(rows: Queries, pool: string): Promise<string[]> {
    const users = await rows.query<{ tenant_id: string }[]>(
      'SELECT tenant_id FROM config.pool_tenants WHERE pool = $1',
      [pool],
    );
    return users.map((user) => user.tenant_id);
  }

  /**
   * Claims the pool. The claim becomes permanent when the transaction commits. Throws `RefusedError` when the pool
   * belongs to another tenant.
   */
  async claim(manager: EntityManager, tenantId: string, pool: string): Promise<void> {
    if (pool === '' || this.#shared.has(pool)) return;
    await manager.query('SELECT pg_advisory_xact_lock($1, hashtext($2))', [CLAIM_LOCK, pool]);
    const users = await seeingEverybody(manager, () => this.tenantsOf(manager, pool));
    if (users.includes(tenantId)) return;
    if (users.length > 0) {
      throw new RefusedError(
        refuse('pool_taken', `The pool "${pool}" is used by another tenant. Choose another name for yours.`),
      );
    }
    const [counted] = await manager.query<{ total: string }[]>(
      'SELECT count(*) AS total FROM config.pool_tenants WHERE tenant_id = $1',
      [tenantId],
    );
    if (Number(counted?.total ?? 0) >= MAX_POOLS) {
      throw new RefusedError(refuse('conflict', `A tenant may have at most ${MAX_POOLS} pools.`));
    }
    await manager.query('INSERT INTO config.pool_tenants (pool, tenant_id) VALUES ($1, $2)', [pool, tenantId]);
  }

  /**
   * Lets every tenant keep the pools that its agents are in. These agents were registered before pools had owners, or
   * while the pool was shared. Returns the pools that several tenants use although they are not shared.
   */
  async keepPresentUse(dataSource: DataSource): Promise<{ readonly pool: string; readonly tenants: string[] }[]> {
    const shared = [...this.#shared];
    await dataSource.query(
      `INSERT INTO config.pool_tenants (pool, tenant_id)
       SELECT DISTINCT pool, tenant_id FROM config.agents WHERE pool <> '' AND pool <> ALL($1::text[])
       ON CONFLICT DO NOTHING`,
      [shared],
    );
    return dataSource.query<{ pool: string; tenants: string[] }[]>(
      `SELECT pool, array_agg(tenant_id ORDER BY tenant_id) AS tenants FROM config.pool_tenants
       WHERE pool <> ALL($1::text[]) GROUP BY pool HAVING count(*) > 1 ORDER BY pool LIMIT 100`,
      [shared],
    );
  }
}

import { TOKEN } from '@batuta/contracts';
import { ConfigRows } from '../database/data-source.js';
import { PoolClaims } from './pool-claims.js';
import { Injectable } from '@nestjs/common';

export const MAX_AGENTS = 1000;

/** Which agents a tenant has, as documents that name them are checked. */
@Injectable()
export class KnownAgents {
  readonly #rows: ConfigRows;
  readonly #pools: PoolClaims;

  constructor(rows: ConfigRows, pools: PoolClaims) {
    this.#rows = rows;
    this.#pools = pools;
  }

  /** Of the given names, those in the tenant's registry. */
  async existing(tenantId: string, names: readonly string[]): Promise<ReadonlySet<string>> {
    const found = await this.#rows
      .of(tenantId)
      .query<{ name: string }[]>('SELECT name FROM config.agents WHERE tenant_id = $1 AND name = ANY($2)', [
        tenantId,
        names.filter((name) => TOKEN.test(name)),
      ]);
    return new Set(found.map(({ name }) => name));
  }

  /** All names in the tenant's registry. */
  async names(tenantId: string): Promise<string[]> {
    const found = await this.#rows
      .of(tenantId)
      .query<{ name: string }[]>('SELECT name FROM config.agents WHERE tenant_id = $1 ORDER BY name LIMIT $2', [
        tenantId,
        MAX_AGENTS,
      ]);
    return found.map(({ name }) => name);
  }

  /** Of the given names, those of agents in pools that are the platform's: `default` and the shared ones. */
  async ofPlatformPools(tenantId: string, names: readonly string[]): Promise<ReadonlySet<string>> {
    const found = await this.#rows
      .of(tenantId)
      .query<{ name: string; pool: string }[]>(
        'SELECT name, pool FROM config.agents WHERE tenant_id = $1 AND name = ANY($2)',
        [tenantId, names.filter((name) => TOKEN.test(name))],
      );
    return new Set(found.filter(({ pool }) => this.#pools.isShared(pool)).map(({ name }) => name));
  }
}

import { DEFAULT_TENANT, nameMistake, SEE_ALL_TENANTS_LOCALLY, TENANT_ID } from '@batuta/contracts';
import { Secret } from '@batuta/settings';
import type { DataSource } from 'typeorm';
import { statementsOf } from '../audit/audit-log.js';
import { recordMaintenance } from '../audit/maintenance.js';
import { configDataSource, migrate } from '../database/data-source.js';
import { ApiKeyEntity } from './api-key.entity.js';
import { insertKey } from './api-keys.js';

/**
 * Makes the tenant `default` and, while no API key exists at all, its first admin key, which `deliver` must keep: it is
 * called before the commit, so that a key whose delivery failed or whose process died does not exist and the next start
 * makes another. Replicas that start together make one key between them. Returns the secret when this call made it.
 */
export async function bootstrap(
  dataSource: DataSource,
  deliver: (secret: string) => Promise<void>,
): Promise<string | undefined> {
  return dataSource.transaction(async (manager) => {
    await manager.query('INSERT INTO config.tenants (id) VALUES ($1) ON CONFLICT DO NOTHING', [DEFAULT_TENANT]);
    await manager.query('SELECT id FROM config.tenants WHERE id = $1 FOR UPDATE', [DEFAULT_TENANT]);
    if (await manager.exists(ApiKeyEntity)) return undefined;
    const { secret } = await insertKey(manager, {
      tenantId: DEFAULT_TENANT,
      userId: 'admin',
      role: 'admin',
      name: 'first key',
      createdBy: 'first start',
      expiresAt: null,
    });
    await recordMaintenance(statementsOf(manager), {
      action: 'admin-key',
      resource: `tenants/${DEFAULT_TENANT}`,
      outcome: 'succeeded',
    });
    await deliver(secret);
    return secret;
  });
}

/**
 * Creates one more admin key with nothing but access to the database: the way back in when every key was lost.
 * Returns the secret. Throws a `TypeError` for a malformed tenant id.
 */
export async function createAdminKey(
  databaseUrl: string,
  options: { tenantId?: string; userId?: string; name?: string } = {},
): Promise<string> {
  const { tenantId = DEFAULT_TENANT, userId = 'admin', name = 'created with database access' } = options;
  if (!TENANT_ID.test(tenantId)) {
    throw new TypeError('a tenant id is 1 to 40 lower-case letters, digits or "-"');
  }
  for (const [what, given] of Object.entries({ 'tenant id': tenantId, 'user id': userId, name })) {
    const mistake = nameMistake(given, 255);
    if (mistake !== undefined) throw new TypeError(`the ${what} ${mistake.message}`);
  }
  const dataSource = configDataSource({ databaseUrl: new Secret(databaseUrl), connections: 2 });
  await dataSource.initialize();
  try {
    await migrate(dataSource);
    return await dataSource.transaction(async (manager) => {
      // When it is the owner of the tables who asks.
      await manager.query(SEE_ALL_TENANTS_LOCALLY);
      const key = { tenantId, userId, role: 'admin', name, createdBy: 'database access', expiresAt: null } as const;
      const { secret } = await insertKey(manager, key);
      await recordMaintenance(statementsOf(manager), {
        action: 'admin-key',
        resource: `tenants/${tenantId}`,
        outcome: 'succeeded',
      });
      return secret;
    });
  } finally {
    await dataSource.destroy();
  }
}

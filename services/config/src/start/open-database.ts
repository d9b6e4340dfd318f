import { rm, writeFile } from 'node:fs/promises';
import type { Logger } from '@batuta/observability';
import { tellUnsecured } from '@batuta/service';
import type { Opened } from '@batuta/service';
import { databaseUrlOf } from '@batuta/settings';
import { PoolClaims } from '../agents/pool-claims.js';
import { ConfigRows, configDataSource, migrate, migrateAsOwner, requestDriver } from '../database/data-source.js';
import type { ConfigSettings } from '../settings.js';
import { bootstrap } from '../tenants/bootstrap.js';

/** Connects to PostgreSQL and brings the schema up to date. */
export async function openDatabase(settings: ConfigSettings, logger: Logger, opened: Opened): Promise<ConfigRows> {
  const dataSource = configDataSource({
    databaseUrl: databaseUrlOf(settings, 'config'),
    connections: settings.databaseConnections,
    driver: requestDriver,
  });
  const rows = new ConfigRows(dataSource);
  await dataSource.initialize();
  opened.push(async () => {
    if (dataSource.isInitialized) await dataSource.destroy();
  });
  if (settings.databaseOwnerUrl !== undefined) await migrateAsOwner(settings.databaseOwnerUrl);
  await migrate(rows.everybody);
  await tellUnsecured((sql) => rows.everybody.query(sql), 'config', logger);
  return rows;
}

/** The pools that tenants have claimed. Pools that several tenants use already are logged. */
export async function claimedPools(rows: ConfigRows, settings: ConfigSettings, logger: Logger): Promise<PoolClaims> {
  const pools = new PoolClaims(settings.sharedPools);
  for (const { pool, tenants } of await pools.keepPresentUse(rows.everybody)) {
    logger.warn(
      { pool, count: tenants.length, tenant_id: tenants.slice(0, 20).join(', ') },
      'several tenants have agents in one pool: each gets answers of the workers of the others',
    );
  }
  return pools;
}

/** Writes a file that only its owner can read, and replaces an older one. */
function writeKeyFile(path: string): (secret: string) => Promise<void> {
  return async (secret) => {
    await rm(path, { force: true });
    await writeFile(path, `${secret}\n`, { mode: 0o600, flag: 'wx' });
  };
}

/** Makes the first admin key of an empty installation, if there is somewhere to put it. */
export async function makeFirstKey(
  rows: ConfigRows,
  { adminKeyFile }: ConfigSettings,
  logger: Logger,
  deliverAdminKey: ((secret: string) => Promise<void>) | undefined,
): Promise<void> {
  const deliver = deliverAdminKey ?? (adminKeyFile === undefined ? undefined : writeKeyFile(adminKeyFile));
  if (deliver === undefined) {
    logger.debug('no first admin key is made: BATUTA_ADMIN_KEY_FILE is not set');
  } else if ((await bootstrap(rows.everybody, deliver)) !== undefined) {
    logger.info({ file: adminKeyFile }, 'first admin key created');
  }
}

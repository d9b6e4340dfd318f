import { TenantRows, migrateInTurns, tenantDriver } from '@batuta/service';
import type { Secret } from '@batuta/settings';
import pg from 'pg';
import { DataSource, MigrationExecutor } from 'typeorm';
import { AgentEntity } from '../agents/agent.entity.js';
import { PoolCredentialsEntity } from '../credentials/pool-credentials.entity.js';
import { ConfigVersionEntity } from '../definitions/config-version.entity.js';
import { ConfigEntity } from '../definitions/config.entity.js';
import { DocumentEntity } from '../knowledge/document.entity.js';
import { PassageEntity } from '../knowledge/passage.entity.js';
import { ApiKeyEntity } from '../tenants/api-key.entity.js';
import { TenantEntity } from '../tenants/tenant.entity.js';
import { CreateConfigSchema1700000000001 } from './migrations/1700000000001-create-config-schema.js';
import { RememberIdempotencyKeys1700000000040 } from './migrations/1700000000040-remember-idempotency-keys.js';
import { SearchPartsOfWords1700000000010 } from './migrations/1700000000010-search-parts-of-words.js';
import { CreatePoolCredentials1700000000050 } from './migrations/1700000000050-create-pool-credentials.js';
import { IndexPartsOfNames1700000000060 } from './migrations/1700000000060-index-parts-of-names.js';
import { CreateSecrets1700000000070 } from './migrations/1700000000070-create-secrets.js';
import { CreateModels1700000000080 } from './migrations/1700000000080-create-models.js';
import { TenantLimits1700000000090 } from './migrations/1700000000090-tenant-limits.js';
import { EraseVersions1700000000130 } from './migrations/1700000000130-erase-versions.js';
import { TenantSettings1700000000140 } from './migrations/1700000000140-tenant-settings.js';
import { CreateAudit1700000000150 } from './migrations/1700000000150-create-audit.js';
import { AuditUses1700000000160 } from './migrations/1700000000160-audit-uses.js';
import { CreateMcpServers1700000000180 } from './migrations/1700000000180-create-mcp-servers.js';
import { AgentsOfModels1700000000170 } from './migrations/1700000000170-agents-of-models.js';
import { IndexConfigFilters1700000000020 } from './migrations/1700000000020-index-config-filters.js';
import { PoolTenants1700000000030 } from './migrations/1700000000030-pool-tenants.js';

export const SCHEMA = 'config' as const;
/** Key of the lock for changes to this service's schema. Any fixed number that no other service uses. */
const MIGRATION_LOCK = 7_205_771_001;

/** The service's tables, as requests of one tenant see them and as work for all tenants sees them. */
export class ConfigRows extends TenantRows<DataSource> {}

/**
 * An unconnected data source of the config service's own schema. `driver`: `requestDriver` for connections under row
 * level security; `ConfigRows` says which rows these see.
 */
export function configDataSource(options: {
  databaseUrl: Secret;
  connections: number;
  driver?: typeof pg;
}): DataSource {
  return new DataSource({
    type: 'postgres',
    // TypeORM would load the driver by its name at start, but a bundle has no packages to load.
    driver: options.driver ?? pg,
    url: options.databaseUrl.reveal(),
    schema: SCHEMA,
    applicationName: 'batuta-config',
    poolSize: options.connections,
    connectTimeoutMS: 10_000,
    extra: { statement_timeout: 30_000, idle_in_transaction_session_timeout: 30_000 },
    entities: [
      AgentEntity,
      ApiKeyEntity,
      ConfigEntity,
      ConfigVersionEntity,
      DocumentEntity,
      PassageEntity,
      PoolCredentialsEntity,
      TenantEntity,
    ],
    migrations: [
      CreateConfigSchema1700000000001,
      SearchPartsOfWords1700000000010,
      IndexConfigFilters1700000000020,
      PoolTenants1700000000030,
      RememberIdempotencyKeys1700000000040,
      CreatePoolCredentials1700000000050,
      IndexPartsOfNames1700000000060,
      CreateSecrets1700000000070,
      CreateModels1700000000080,
      TenantLimits1700000000090,
      EraseVersions1700000000130,
      TenantSettings1700000000140,
      CreateAudit1700000000150,
      AuditUses1700000000160,
      AgentsOfModels1700000000170,
      CreateMcpServers1700000000180,
    ],
    migrationsTableName: 'migrations',
  });
}

export const requestDriver = tenantDriver(pg, SCHEMA);

/** Brings the schema up to date as its owner. `ownerUrl` is the owner's URL. */
export async function migrateAsOwner(ownerUrl: Secret): Promise<void> {
  const dataSource = configDataSource({ databaseUrl: ownerUrl, connections: 2 });
  await dataSource.initialize();
  try {
    await migrate(dataSource);
  } finally {
    await dataSource.destroy();
  }
}

/** Brings the schema up to date while the service works. Uses two connections of the data source. */
export function migrate(dataSource: DataSource): Promise<void> {
  return migrateInTurns(dataSource, {
    schema: SCHEMA,
    lock: MIGRATION_LOCK,
    names: dataSource.migrations.map(({ name, constructor }) => name ?? constructor.name),
    run: (runner) => {
      const migrations = new MigrationExecutor(dataSource, runner);
      migrations.transaction = 'each';
      return migrations.executePendingMigrations();
    },
  });
}

/** Whether an error is PostgreSQL's refusal of a duplicate in this unique index or constraint. */
export function isDuplicate(error: unknown, constraint: string): boolean {
  const cause =
    typeof error === 'object' && error !== null && 'driverError' in error ? (error.driverError as unknown) : error;
  return (
    typeof cause === 'object' &&
    cause !== null &&
    'code' in cause &&
    cause.code === '23505' &&
    'constraint' in cause &&
    cause.constraint === constraint
  );
}

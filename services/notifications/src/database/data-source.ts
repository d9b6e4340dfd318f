import { TenantRows, migrateInTurns, tenantDriver } from '@batuta/service';
import type { Secret } from '@batuta/settings';
import pg from 'pg';
import { DataSource, MigrationExecutor } from 'typeorm';
import { CallbackEntity } from '../callbacks/callback.entity.js';
import { AttemptEntity } from '../deliveries/attempt.entity.js';
import { DeliveryEntity } from '../deliveries/delivery.entity.js';
import { InboxEntity } from '../inbox/inbox.entity.js';
import { CreateNotificationsSchema1700000000001 } from './migrations/1700000000001-create-notifications-schema.js';
import { FindCopiedHeaders1700000000002 } from './migrations/1700000000002-find-copied-headers.js';
import { FindOpenExecutions1700000000003 } from './migrations/1700000000003-find-open-executions.js';
import { IndexDeliveryStatus1700000000010 } from './migrations/1700000000010-index-delivery-status.js';
import { RememberIdempotencyKeys1700000000020 } from './migrations/1700000000020-remember-idempotency-keys.js';
import { IndexInboxExecutions1700000000030 } from './migrations/1700000000030-index-inbox-executions.js';
import { AnyChannel1700000000040 } from './migrations/1700000000040-any-channel.js';

export const SCHEMA = 'notifications' as const;
/** Key of the lock for changes to this service's schema. Any fixed number that no other service uses. */
const MIGRATION_LOCK = 7_205_771_004;

/** The service's tables, as requests of one tenant see them and as work for all tenants sees them. */
export class NotificationsRows extends TenantRows<DataSource> {}

/**
 * An unconnected data source of the notifications service's own schema. `driver`: `requestDriver` for connections under
 * row level security; `NotificationsRows` says which rows these see.
 */
export function notificationsDataSource(options: {
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
    applicationName: 'batuta-notifications',
    poolSize: options.connections,
    connectTimeoutMS: 10_000,
    extra: { statement_timeout: 30_000, idle_in_transaction_session_timeout: 30_000 },
    entities: [AttemptEntity, CallbackEntity, DeliveryEntity, InboxEntity],
    migrations: [
      CreateNotificationsSchema1700000000001,
      FindCopiedHeaders1700000000002,
      FindOpenExecutions1700000000003,
      IndexDeliveryStatus1700000000010,
      RememberIdempotencyKeys1700000000020,
      IndexInboxExecutions1700000000030,
      AnyChannel1700000000040,
    ],
    migrationsTableName: 'migrations',
  });
}

export const requestDriver = tenantDriver(pg, SCHEMA);

/** Brings the schema up to date as its owner. `ownerUrl` is the owner's URL. */
export async function migrateAsOwner(ownerUrl: Secret): Promise<void> {
  const dataSource = notificationsDataSource({ databaseUrl: ownerUrl, connections: 2 });
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

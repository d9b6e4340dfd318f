import { PostgresExecutionStore } from '../store/postgres/postgres-execution-store.js';
import type { LargeFields } from '@batuta/event-store';
import type { Logger } from '@batuta/observability';
import { tellUnsecured, tenantPool } from '@batuta/service';
import type { TenantPool } from '@batuta/service';
import pg from 'pg';
import type { ExecutionSettings } from '../settings.js';
import type { Opened } from '@batuta/service';

/** As long as the gateway waits for an answer. */
const LIST_MS = 5_000;

/** The pools of connections to PostgreSQL. They are separate, so that slow work of one kind does not delay the others. */
export interface Database {
  readonly url: string;
  readonly store: PostgresExecutionStore;
  /** For projections and the service's own work. */
  readonly pool: pg.Pool;
  /** For partial output of attempts. */
  readonly output: pg.Pool;
  /** For requests of tenants: each sees only its tenant's rows. */
  readonly lookUps: TenantPool;
  readonly lists: TenantPool;
  readonly admitting: TenantPool;
  /** The log as a tenant sees it. */
  readonly storeOf: (tenantId: string, leaveOut?: LargeFields) => PostgresExecutionStore;
}

export async function openDatabase(
  databaseUrl: string,
  settings: ExecutionSettings,
  logger: Logger,
  opened: Opened,
): Promise<Database> {
  const store = new PostgresExecutionStore({
    databaseUrl,
    poolSize: settings.databaseConnections,
    commitTimeoutMs: settings.commitTimeoutMs,
    onConnectionError: (error) => logger.warn({ err: error }, 'a connection to PostgreSQL was lost'),
  });
  opened.push(() => store.close());
  const followed = <P extends pg.Pool>(opening: P): P => {
    opening.on('error', (error) => logger.warn({ err: error }, 'a connection to PostgreSQL was lost'));
    opened.push(() => opening.end());
    return opening;
  };
  const poolConfig = (use: string, more: pg.PoolConfig = {}): pg.PoolConfig => ({
    connectionString: databaseUrl,
    max: 2,
    application_name: `batuta-execution-${use}`,
    connectionTimeoutMillis: 5_000,
    query_timeout: 30_000,
    ...more,
  });
  // For requests of tenants: each sees only its tenant's rows.
  const openRequestPool = (use: string, more?: pg.PoolConfig): TenantPool =>
    followed(tenantPool(pg, 'execution', poolConfig(use, more)));
  const pool = followed(new pg.Pool(poolConfig('projections')));
  await tellUnsecured(async (sql) => (await pool.query<{ secured: boolean }>(sql)).rows, 'execution', logger);
  const lookUps = openRequestPool('queries', { max: 4 });
  // The gateway does not wait longer for a list, so PostgreSQL ends such a statement.
  const lists = openRequestPool('lists', { statement_timeout: LIST_MS, query_timeout: LIST_MS + 1_000 });
  // A separate pool, so that starts of tenants with limits do not wait for other queries.
  const admitting = openRequestPool('admissions');
  const output = followed(new pg.Pool(poolConfig('output')));
  const storeOf: Database['storeOf'] = (tenantId, leaveOut) =>
    new PostgresExecutionStore({
      databaseUrl,
      queries: lookUps.seen({ tenantId }),
      ...(leaveOut === undefined ? {} : { leaveOut }),
    });
  return { url: databaseUrl, store, pool, output, lookUps, lists, admitting, storeOf };
}

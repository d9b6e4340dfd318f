import { DEFAULT_TENANT } from './codes.js';
import { POSTGRES_RIGHTS, postgresRole } from './postgres-rights.js';
import type { PostgresRight, PostgresService } from './postgres-rights.js';

/**
 * The role that a service takes on for a tenant's request. It sees and writes only that tenant's rows. Nobody can log
 * in as it.
 */
export function postgresTenantRole(service: PostgresService): string {
  return `${postgresRole(service)}_tenant`;
}

/**
 * The PostgreSQL setting with the tenant whose request a transaction serves. Without it, no tenant's rows are visible.
 */
export const POSTGRES_TENANT_SETTING = 'batuta.tenant';

/**
 * The setting that makes rows visible to the owner of the tables. Migrations and the erasure of a tenant set it. So a
 * person who is logged in as the owner does not see data by accident.
 */
export const POSTGRES_ALL_TENANTS_SETTING = 'batuta.all_tenants';

/** Statement of a migration in its transaction. */
export const SEE_ALL_TENANTS_LOCALLY = `SET LOCAL ${POSTGRES_ALL_TENANTS_SETTING} = 'on'`;

/** Statement of an operator's command at the beginning of a connection, which may be the owner's. */
export const SEE_ALL_TENANTS = `SET ${POSTGRES_ALL_TENANTS_SETTING} = 'on'`;

/** The ownership of a table's rows. */
export interface TenantRows {
  /** SQL condition: the row belongs to the tenant of the request. */
  readonly own: string;
  /** SQL condition: every tenant may read the row in addition to its own. */
  readonly published?: string;
  /** The rights of the tenant role on its rows. Default: the rights of the service. */
  readonly rights?: readonly PostgresRight[];
}

/** A table without tenants' data, and the rights of the tenant role on it. */
interface PlatformRows {
  readonly platform: true;
  readonly rights: readonly PostgresRight[];
}

const TENANT = `current_setting('${POSTGRES_TENANT_SETTING}', true)`;
const BY_COLUMN: TenantRows = { own: `tenant_id = ${TENANT}` };
/** Rows that the platform's tenant has published, for tenants that have allowed it. */
const PUBLISHED = {
  ...BY_COLUMN,
  published: `is_global AND tenant_id = '${DEFAULT_TENANT}'
    AND EXISTS (SELECT FROM config.tenants t WHERE t.id = ${TENANT} AND t.settings @> '{"globalConfigs": true}')`,
};
const PLATFORM: PlatformRows = { platform: true, rights: [] };
const READ: readonly PostgresRight[] = ['SELECT'];

const ofExecution = (table: string): string =>
  `EXISTS (SELECT FROM execution.orchestration_executions x WHERE x.id = ${table}.execution_id AND x.tenant_id = ${TENANT})`;
const ofStream = (table: string): string =>
  `EXISTS (SELECT FROM execution.streams s WHERE s.id = ${table}.execution_id AND s.tenant_id = ${TENANT})`;

/**
 * The ownership of each table's rows. Row level security enforces it in addition to the conditions of the statements. A
 * new migration must list its tables here: a test fails otherwise.
 */
export const POSTGRES_ROWS: Readonly<Record<PostgresService, Readonly<Record<string, TenantRows | PlatformRows>>>> = {
  config: {
    agents: BY_COLUMN,
    api_keys: BY_COLUMN,
    audit_entries: BY_COLUMN,
    audit_heads: BY_COLUMN,
    idempotency_keys: BY_COLUMN,
    knowledge_documents: BY_COLUMN,
    knowledge_passages: BY_COLUMN,
    mcp_servers: BY_COLUMN,
    migrations: PLATFORM,
    models: BY_COLUMN,
    orchestration_config_versions: PUBLISHED,
    orchestration_configs: PUBLISHED,
    pool_credentials: BY_COLUMN,
    pool_tenants: BY_COLUMN,
    secrets: BY_COLUMN,
    tenants: { own: `id = ${TENANT}` },
  },
  execution: {
    admissions: BY_COLUMN,
    agents: { ...BY_COLUMN, rights: READ },
    attempt_output: { own: ofExecution('attempt_output'), rights: READ },
    // Roots over links of many tenants. They reveal nothing about the linked events.
    checkpoints: { platform: true, rights: READ },
    config_versions: { ...BY_COLUMN, rights: READ },
    erasures: { ...BY_COLUMN, rights: [] },
    events: {
      // After the deletion of an execution, one event remains but no row.
      own: `${ofExecution('events')} OR ${ofStream('events')} OR (type = 'ExecutionDeleted' AND data->>'tenantId' = ${TENANT})`,
      rights: READ,
    },
    migrations: PLATFORM,
    orchestration_executions: { ...BY_COLUMN, rights: READ },
    orchestration_step_runs: {
      own: `approval_tenant_id = ${TENANT} OR ${ofExecution('orchestration_step_runs')}`,
      rights: READ,
    },
    owners: PLATFORM,
    partitions: PLATFORM,
    // A pool that the platform's tenant has paused is paused for all, and everybody sees why.
    pauses: { ...BY_COLUMN, published: `kind = 'pool' AND tenant_id = '${DEFAULT_TENANT}'` },
    projection_cursors: PLATFORM,
    removed_links: { platform: true, rights: READ },
    retention_policies: BY_COLUMN,
    settings: PLATFORM,
    snapshots: { own: `${ofExecution('snapshots')} OR ${ofStream('snapshots')}`, rights: READ },
    streams: { ...BY_COLUMN, rights: READ },
    tenant_sockets: BY_COLUMN,
    tenant_use: BY_COLUMN,
    unfinished_executions: { ...BY_COLUMN, rights: READ },
    unprojected_executions: { own: ofExecution('unprojected_executions'), rights: [] },
  },
  notifications: {
    callback_attempts: {
      own: `EXISTS (SELECT FROM notifications.orchestration_callbacks c WHERE c.id = callback_attempts.delivery_id AND c.tenant_id = ${TENANT})`,
      rights: READ,
    },
    callbacks: BY_COLUMN,
    cursors: PLATFORM,
    // "webhook <tenant> <origin>"; the other rows are providers of the platform.
    destinations: { own: `destination NOT LIKE 'webhook %' OR split_part(destination, ' ', 2) = ${TENANT}` },
    events: {
      own: `EXISTS (SELECT FROM notifications.executions x WHERE x.execution_id = events.execution_id AND x.tenant_id = ${TENANT})`,
      rights: READ,
    },
    executions: BY_COLUMN,
    idempotency_keys: BY_COLUMN,
    inbox: BY_COLUMN,
    migrations: PLATFORM,
    orchestration_callbacks: BY_COLUMN,
    signing_secrets: BY_COLUMN,
  },
};

/** The rights of a service's tenant role on a table. */
export function tenantRights(service: PostgresService, table: string): readonly PostgresRight[] {
  return POSTGRES_ROWS[service][table]?.rights ?? POSTGRES_RIGHTS[service][table] ?? [];
}

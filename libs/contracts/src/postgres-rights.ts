/** The services that store data in PostgreSQL. Each has a schema with its name, which no other service uses. */
export const POSTGRES_SERVICES = ['config', 'execution', 'notifications'] as const;
export type PostgresService = (typeof POSTGRES_SERVICES)[number];

/** The role that owns the schemas and runs the migrations. No service uses it for its work. */
export const POSTGRES_OWNER = 'batuta_owner';

/** The PostgreSQL role of a service. With `{service}`: the pattern for settings that several services share. */
export function postgresRole(service: PostgresService | '{service}'): string {
  return `batuta_${service}`;
}

/**
 * A right on a table. With columns, it applies to these columns only. Locking a row (`FOR UPDATE`) needs the right to
 * update one of its columns.
 */
export type PostgresRight = 'SELECT' | 'INSERT' | 'UPDATE' | `UPDATE (${string})` | 'DELETE';

const READ = ['SELECT'] as const;
/** Rows of these tables are written once and never change. */
const APPEND = ['SELECT', 'INSERT'] as const;
const CHANGE = ['SELECT', 'INSERT', 'UPDATE'] as const;
const ALL = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const;

/**
 * The rights of each service's role on the tables of its schema. It has no other rights. A new migration must list its
 * tables here and in docs/operations.md; otherwise the service cannot use them.
 */
export const POSTGRES_RIGHTS: Readonly<Record<PostgresService, Readonly<Record<string, readonly PostgresRight[]>>>> = {
  config: {
    agents: ALL,
    // Recorded entries never change. The head of each tenant's chain does.
    audit_entries: APPEND,
    audit_heads: CHANGE,
    api_keys: ['SELECT', 'INSERT', 'UPDATE (revoked_at)'],
    idempotency_keys: ALL,
    knowledge_documents: ALL,
    knowledge_passages: ['SELECT', 'INSERT', 'DELETE'],
    mcp_servers: ALL,
    migrations: READ,
    models: ALL,
    orchestration_config_versions: APPEND,
    orchestration_configs: CHANGE,
    pool_credentials: ['SELECT', 'INSERT', 'UPDATE (revoked_at)'],
    pool_tenants: APPEND,
    secrets: ALL,
    // Its row is locked for changes that must happen one at a time in a tenant.
    tenants: ['SELECT', 'INSERT', 'UPDATE (id, limits, revision, settings)'],
  },
  execution: {
    admissions: ['SELECT', 'INSERT', 'DELETE'],
    agents: CHANGE,
    // What was said stays as it is, and goes with its execution.
    attempt_output: ['SELECT', 'INSERT', 'DELETE'],
    checkpoints: APPEND,
    config_versions: APPEND,
    erasures: READ,
    // Retention deletes rows. The others are only locked, which needs the right to update some column.
    events: ['SELECT', 'INSERT', 'UPDATE (version)', 'DELETE'],
    migrations: READ,
    // Read models and snapshots can be recreated from the events. rebuild.js removes rows without events.
    orchestration_executions: ALL,
    orchestration_step_runs: ALL,
    owners: ALL,
    partitions: CHANGE,
    pauses: ALL,
    projection_cursors: CHANGE,
    // A link goes back to its event when an execution is restored from the archive.
    removed_links: ['SELECT', 'INSERT', 'DELETE'],
    retention_policies: ALL,
    settings: APPEND,
    snapshots: ALL,
    // A row remains for each stream that has ended, for the answer to later requests.
    streams: CHANGE,
    tenant_sockets: ALL,
    tenant_use: CHANGE,
    unfinished_executions: ALL,
    unprojected_executions: ['SELECT', 'INSERT', 'DELETE'],
  },
  notifications: {
    callback_attempts: CHANGE,
    callbacks: ALL,
    cursors: CHANGE,
    destinations: ALL,
    events: ['SELECT', 'INSERT', 'DELETE'],
    executions: ALL,
    idempotency_keys: ALL,
    inbox: ALL,
    migrations: READ,
    orchestration_callbacks: ALL,
    signing_secrets: ALL,
  },
};

/** A query whose column `may` tells whether the user of this connection can update a service's schema. */
export function mayMigrate(service: PostgresService): string {
  return `SELECT CASE WHEN to_regnamespace('${service}') IS NULL
    THEN has_database_privilege(current_database(), 'CREATE')
    ELSE has_schema_privilege('${service}', 'CREATE') END AS may`;
}

/** The message for the operator when a service finds an outdated schema that it may not change. */
export function outdatedSchema(service: PostgresService, missing: readonly (string | number)[]): string {
  return (
    `The schema ${service} of PostgreSQL is older than this version (${missing.length} migrations are missing), and the user of DATABASE_URL ` +
    `may not change it. Run services/${service}/dist/migrate.js as ${POSTGRES_OWNER}, or set DATABASE_OWNER_URL.`
  );
}

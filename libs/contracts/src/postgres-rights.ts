/** The services that keep something in PostgreSQL. Each has a schema of its name, and no other service uses it. */
export const POSTGRES_SERVICES = ['config', 'execution', 'notifications'] as const;
export type PostgresService = (typeof POSTGRES_SERVICES)[number];

/** The role that owns the schemas and runs the migrations. No service works under it. */
export const POSTGRES_OWNER = 'batuta_owner';

/** The role of PostgreSQL under which a service works; with `{service}`, what stands for each in settings that several share. */
export function postgresRole(service: PostgresService | '{service}'): string {
  return `batuta_${service}`;
}

/** A right on a table. With columns: on these only; locking a row (`FOR UPDATE`) needs the right to change one of its columns. */
export type PostgresRight = 'SELECT' | 'INSERT' | 'UPDATE' | `UPDATE (${string})` | 'DELETE';

const READ = ['SELECT'] as const;
/** Rows of these are written once and stay as they are. */
const APPEND = ['SELECT', 'INSERT'] as const;
const CHANGE = ['SELECT', 'INSERT', 'UPDATE'] as const;
const ALL = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const;

/**
 * What the role of each service may do with the tables of its schema, and it may do nothing else. A table of a new migration needs its line
 * here and in docs/operations.md: without it the service cannot use the table.
 */
export const POSTGRES_RIGHTS: Readonly<Record<PostgresService, Readonly<Record<string, readonly PostgresRight[]>>>> = {
  config: {
    agents: ALL,
    // What was recorded stays as it is; the head of each tenant's chain moves on.
    audit_entries: APPEND,
    audit_heads: CHANGE,
    api_keys: ['SELECT', 'INSERT', 'UPDATE (revoked_at)'],
    idempotency_keys: ALL,
    knowledge_documents: ALL,
    knowledge_passages: ['SELECT', 'INSERT', 'DELETE'],
    migrations: READ,
    models: ALL,
    orchestration_config_versions: APPEND,
    orchestration_configs: CHANGE,
    pool_credentials: ['SELECT', 'INSERT', 'UPDATE (revoked_at)'],
    pool_tenants: APPEND,
    secrets: ALL,
    // Its row is locked by what must happen once at a time in a tenant.
    tenants: ['SELECT', 'INSERT', 'UPDATE (id, limits, revision, settings)'],
  },
  execution: {
    admissions: ['SELECT', 'INSERT', 'DELETE'],
    agents: CHANGE,
    checkpoints: APPEND,
    config_versions: APPEND,
    erasures: READ,
    // What retention removes goes; what stays is only ever locked, which needs the right to change some column.
    events: ['SELECT', 'INSERT', 'UPDATE (version)', 'DELETE'],
    migrations: READ,
    // Read models and snapshots are made again from the events: rebuild.js removes what has none.
    orchestration_executions: ALL,
    orchestration_step_runs: ALL,
    owners: ALL,
    partitions: CHANGE,
    projection_cursors: CHANGE,
    removed_links: APPEND,
    retention_policies: ALL,
    settings: APPEND,
    snapshots: ALL,
    // Of what has ended in them a row stays, as what is answered when they are asked for again.
    streams: CHANGE,
    tenant_sockets: ALL,
    tenant_use: CHANGE,
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

/** A query that answers in `may` whether the user of this connection can bring a service's schema up to date. */
export function mayMigrate(service: PostgresService): string {
  return `SELECT CASE WHEN to_regnamespace('${service}') IS NULL
    THEN has_database_privilege(current_database(), 'CREATE')
    ELSE has_schema_privilege('${service}', 'CREATE') END AS may`;
}

/** What a person has to do when a service finds an older schema than it needs, and may not change it. */
export function outdatedSchema(service: PostgresService, missing: readonly (string | number)[]): string {
  return (
    `The schema ${service} of PostgreSQL is older than this version (${missing.length} migrations are missing), and the user of DATABASE_URL ` +
    `may not change it. Run services/${service}/dist/migrate.js as ${POSTGRES_OWNER}, or set DATABASE_OWNER_URL.`
  );
}

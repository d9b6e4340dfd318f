/** Tables of all services with a tenant in each row, except the record of erasures. */
export const TABLES_OF_TENANTS = `
SELECT c.table_schema AS schema, c.table_name AS name
FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.column_name = 'tenant_id' AND t.table_type = 'BASE TABLE' AND (table_schema, table_name) <> ('execution', 'erasures')
  AND table_schema NOT LIKE 'pg\\_%' AND table_schema <> 'information_schema'
ORDER BY 1, 2`;

/** Tables whose rows only name their execution. */
export const TABLES_OF_EXECUTIONS = `
SELECT c.table_schema AS schema, c.table_name AS name
FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.column_name = 'execution_id' AND t.table_type = 'BASE TABLE'
  AND table_schema NOT LIKE 'pg\\_%' AND table_schema <> 'information_schema'
  AND NOT EXISTS (SELECT FROM information_schema.columns o WHERE o.table_schema = c.table_schema
    AND o.table_name = c.table_name AND o.column_name = 'tenant_id')
ORDER BY 1, 2`;

/** Executions that have not ended, and schedules that still have something to do. $1: tenant. */
export const COUNT_OPEN = `
SELECT count(*)::int AS n FROM (
  SELECT FROM execution.orchestration_executions WHERE tenant_id = $1 AND wake_at IS NOT NULL
  UNION ALL
  SELECT FROM execution.streams WHERE tenant_id = $1 AND wake_at IS NOT NULL
) AS open`;

/** Schedules that will start executions. $1: tenant. */
export const COUNT_ACTIVE = `
SELECT count(*)::int AS n FROM execution.streams WHERE tenant_id = $1 AND kind = 'schedule' AND status = 'active'`;

/** Whether anything of a tenant is in the archive by what the log says, or may come there: $1 tenant. */
export const ARCHIVES_SOMETHING = `
SELECT EXISTS (SELECT FROM execution.retention_policies WHERE tenant_id = $1 AND action = 'archive')
  OR EXISTS (SELECT FROM execution.events
    WHERE type = 'ExecutionDeleted' AND data->>'tenantId' = $1 AND data ? 'archive') AS found`;

/** Everything of a tenant that has events in the log. $1: tenant. */
export const IDS_OF_TENANT = `
SELECT id::text FROM execution.orchestration_executions WHERE tenant_id = $1
UNION SELECT id::text FROM execution.streams WHERE tenant_id = $1
UNION SELECT execution_id::text FROM execution.events WHERE type = 'ExecutionDeleted' AND data->>'tenantId' = $1`;

/**
 * Ended executions of a tenant, deleted ones with one remaining event, and schedules that have nothing more to do. $1:
 * tenant, $2: limit.
 */
export const SOME_EXECUTIONS = `
(SELECT id FROM execution.orchestration_executions WHERE tenant_id = $1 AND wake_at IS NULL LIMIT $2)
UNION
(SELECT id FROM execution.streams WHERE tenant_id = $1 AND wake_at IS NULL LIMIT $2)
UNION
(SELECT execution_id FROM execution.events WHERE type = 'ExecutionDeleted' AND data->>'tenantId' = $1 LIMIT $2)`;

/** Removes all events of executions, but keeps their links for signed checkpoints. $1: execution ids. */
export const ERASE_EVENTS = `
WITH removed AS (
  DELETE FROM execution.events WHERE execution_id = ANY($1::uuid[]) RETURNING partition, position, link
), kept AS (
  INSERT INTO execution.removed_links (partition, position, link)
  SELECT partition, position, link FROM removed WHERE length(link) = 32
), known AS (
  UPDATE execution.removed_links SET last_of = NULL WHERE last_of = ANY($1::uuid[])
)
SELECT count(*)::int AS removed FROM removed`;

/** Rows of the tables that name an execution, or another kind of stream. $1: ids. */
export const ERASE_ROWS: Readonly<Record<string, string>> = {
  'execution.orchestration_executions': `DELETE FROM execution.orchestration_executions WHERE id = ANY($1::uuid[])`,
  'execution.streams': `DELETE FROM execution.streams WHERE id = ANY($1::uuid[])`,
};

/** $1 tenant. */
export const BEGIN_ERASURE = `
INSERT INTO execution.erasures (tenant_id) VALUES ($1) ON CONFLICT (tenant_id) DO UPDATE SET ended_at = NULL`;

/** $1 tenant, $2 table, $3 how many rows more. */
export const NOTE_ERASED = `
UPDATE execution.erasures
SET removed = jsonb_set(removed, ARRAY[$2], to_jsonb(coalesce((removed->>$2)::bigint, 0) + $3::bigint)) WHERE tenant_id = $1`;

/** $1 tenant. */
export const END_ERASURE = `UPDATE execution.erasures SET ended_at = now() WHERE tenant_id = $1 RETURNING removed`;

/** Immutable rows may be deleted in a transaction that names their tenant. $1: tenant. */
export const SAY_WHOSE = `SELECT set_config('batuta.erased_tenant', $1, true)`;

const COPIES_OF_TENANT = `
FROM execution.config_versions
WHERE config_id IN (SELECT id::text FROM config.orchestration_configs WHERE tenant_id = $1)`;

/** The engine's copies of a tenant's configs. $1: tenant. */
export const COUNT_CONFIG_COPIES = `SELECT count(*)::int AS n ${COPIES_OF_TENANT}`;
export const ERASE_CONFIG_COPIES = `DELETE ${COPIES_OF_TENANT}`;

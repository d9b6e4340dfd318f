/** Epoch ms of a column. */
const ms = (column: string): string => `floor(extract(epoch FROM ${column}) * 1000)::bigint`;
const time = (parameter: string): string => `(timestamptz 'epoch' + ${parameter}::bigint * interval '1 millisecond')`;

/**
 * A page of a tenant's ended executions, oldest first, by the index of lists. $1 tenant, $2 and $3 creation time and id
 * of the previous one, $4 created before, epoch ms, $5 limit.
 */
export const ENDED_AFTER = `
SELECT id, partition, version, status, config_id AS "configId", ${ms('created_at')} AS "createdAt",
  ${ms('coalesce(completed_at, created_at)')} AS "endedAt",
  (SELECT e.at FROM execution.events e
    WHERE e.execution_id = x.id AND e.version = x.version AND e.type = 'ExecutionRestored') AS "restoredAt"
FROM execution.orchestration_executions x
WHERE tenant_id = $1 AND (created_at, id) > (${time('$2')}, $3::uuid) AND created_at < ${time('$4')}
  AND wake_at IS NULL AND status <> 'deleted'
ORDER BY created_at, id LIMIT $5`;

/**
 * The newest ended execution that is not kept. $1 tenant, $2 config or null, $3 statuses or null, $4 how many are kept.
 */
export const BEYOND_NEWEST = `
SELECT id, ${ms('created_at')} AS "createdAt" FROM execution.orchestration_executions
WHERE tenant_id = $1 AND wake_at IS NULL AND status <> 'deleted'
  AND ($2::text IS NULL OR config_id = $2) AND ($3::text[] IS NULL OR status = ANY($3))
ORDER BY created_at DESC, id DESC OFFSET $4 LIMIT 1`;

/** Tenants with executions, one index lookup each. $1 the previous tenant, $2 limit. */
export const TENANTS_AFTER = `
WITH RECURSIVE tenants(tenant) AS (
  (SELECT tenant_id FROM execution.orchestration_executions WHERE tenant_id > $1 ORDER BY tenant_id LIMIT 1)
  UNION ALL
  SELECT (SELECT x.tenant_id FROM execution.orchestration_executions x WHERE x.tenant_id > t.tenant ORDER BY x.tenant_id LIMIT 1)
  FROM tenants t WHERE t.tenant IS NOT NULL
)
SELECT tenant FROM tenants WHERE tenant IS NOT NULL LIMIT $2`;

const POLICY = `name, config_id AS "configId", statuses, older_than_ms AS "olderThanMs", keep_newest AS "keepNewest", action, version,
  ${ms('created_at')} AS "createdAt", ${ms('updated_at')} AS "updatedAt", updated_by AS "updatedBy", tenant_id AS "tenantId"`;

export const ALL_POLICIES = `SELECT ${POLICY} FROM execution.retention_policies ORDER BY tenant_id, name`;

/** $1 tenant. */
export const POLICIES_OF = `SELECT ${POLICY} FROM execution.retention_policies WHERE tenant_id = $1 ORDER BY name`;

/** $1 tenant, $2 name. */
export const LOCK_POLICY = `SELECT ${POLICY} FROM execution.retention_policies WHERE tenant_id = $1 AND name = $2 FOR UPDATE`;

/** $1 tenant, $2 name, $3 config or null, $4 statuses, $5 age or null, $6 count or null, $7 action, $8 user. */
export const PUT_POLICY = `
INSERT INTO execution.retention_policies AS p
  (tenant_id, name, config_id, statuses, older_than_ms, keep_newest, action, updated_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant_id, name) DO UPDATE SET config_id = excluded.config_id, statuses = excluded.statuses,
  older_than_ms = excluded.older_than_ms, keep_newest = excluded.keep_newest, action = excluded.action,
  version = p.version + 1, updated_at = now(), updated_by = excluded.updated_by
RETURNING ${POLICY}, (xmax = 0) AS created`;

/** $1 tenant, $2 name. */
export const DELETE_POLICY = `DELETE FROM execution.retention_policies WHERE tenant_id = $1 AND name = $2 RETURNING ${POLICY}`;

/** Keeps the partition's owner from committing while a page is computed and written. $1 partition. */
export const HOLD_PARTITION = `SELECT last_position FROM execution.partitions WHERE id = $1 FOR SHARE`;

/** $1 partition, $2 the id before, $3 limit. */
export const EXECUTIONS_OF_PARTITION = `
SELECT execution_id AS id FROM execution.events
WHERE partition = $1 AND version = 1 AND type = 'ExecutionStarted' AND ($2::uuid IS NULL OR execution_id > $2::uuid)
ORDER BY execution_id LIMIT $3`;

/** $1 rows as JSON. */
export const WRITE_EXECUTIONS = `
INSERT INTO execution.orchestration_executions
SELECT r.* FROM jsonb_populate_recordset(NULL::execution.orchestration_executions, $1::jsonb) r
ON CONFLICT (id) DO UPDATE SET
  trace_id = excluded.trace_id, config_id = excluded.config_id, config_name = excluded.config_name,
  status = excluded.status, input = excluded.input, output = excluded.output, user_id = excluded.user_id,
  session_id = excluded.session_id, tenant_id = excluded.tenant_id, started_at = excluded.started_at,
  completed_at = excluded.completed_at, paused_at = excluded.paused_at, created_at = excluded.created_at,
  metadata = excluded.metadata, total_latency_ms = excluded.total_latency_ms,
  estimated_cost = excluded.estimated_cost, created_by = excluded.created_by, callback_url = excluded.callback_url,
  config_version = excluded.config_version, partition = excluded.partition, version = excluded.version,
  wake_at = excluded.wake_at, token_count = excluded.token_count`;

/** What triggers keep of unfinished executions, for lists. $1 execution ids. */
export const REMOVE_UNFINISHED = `DELETE FROM execution.unfinished_executions WHERE id = ANY($1::uuid[])`;
export const WRITE_UNFINISHED = `
INSERT INTO execution.unfinished_executions (id, tenant_id, config_id, config_name, user_id, session_id, status, created_at)
SELECT id, tenant_id, config_id, config_name, user_id, session_id, status, created_at
FROM execution.orchestration_executions WHERE id = ANY($1::uuid[]) AND wake_at IS NOT NULL`;

export const REMOVE_STRAY_UNFINISHED = `
DELETE FROM execution.unfinished_executions u
WHERE NOT EXISTS (SELECT FROM execution.orchestration_executions x WHERE x.id = u.id)`;

/** Rows without a start in the log. A deleted execution has no row. */
export const REMOVE_STRAY_EXECUTIONS = `
DELETE FROM execution.orchestration_executions x
WHERE NOT EXISTS (SELECT FROM execution.events e WHERE e.execution_id = x.id AND e.version = 1)`;

export const REMOVE_STRAY_STEP_RUNS = `
DELETE FROM execution.orchestration_step_runs x
WHERE NOT EXISTS (SELECT FROM execution.events e WHERE e.execution_id = x.execution_id AND e.version = 1)`;

/** Earlier rows may come from other code. $1 execution ids. */
export const REMOVE_STEP_RUNS = `DELETE FROM execution.orchestration_step_runs WHERE execution_id = ANY($1::uuid[])`;

/** Snapshots are made again as executions continue. */
export const REMOVE_SNAPSHOTS = `DELETE FROM execution.snapshots`;

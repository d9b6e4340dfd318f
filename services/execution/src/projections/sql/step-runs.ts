/**
 * Step runs from the columns of `StepRunColumns`: $1–$9 array literals, $10–$17 texts joined by line breaks. Both cost
 * PostgreSQL about half as much as rows in JSON. $17 has the rare fields, as JSON.
 */
export const SENT_STEP_RUNS = `
SELECT md5(r.execution_id::text || '/' || coalesce(r.step_id, r.rest->>'step_id'))::uuid AS id, r.execution_id,
  r.step_index, coalesce(r.step_id, r.rest->>'step_id') AS step_id,
  coalesce(r.step_name, r.rest->>'step_name') AS step_name, r.status, r.output::jsonb AS output,
  coalesce((r.rest->'output_truncated')::boolean, false) AS output_truncated,
  r.rest->>'error_message' AS error_message, r.rest->>'error_trace' AS error_trace,
  r.dependencies::jsonb AS dependencies, r.latency_ms, r.retry_count, r.token_count,
  r.estimated_cost::numeric(10,6) AS estimated_cost,
  coalesce(to_timestamp(r.started_ms / 1000), (r.rest->>'started_at')::timestamptz) AS started_at,
  coalesce(to_timestamp(r.completed_ms / 1000), (r.rest->>'completed_at')::timestamptz) AS completed_at,
  coalesce(r.agent_id, r.rest->>'agent_id') AS agent_id,
  coalesce(r.agent_version, r.rest->>'agent_version') AS agent_version, r.version,
  r.rest->>'approval_tenant_id' AS approval_tenant_id,
  (r.rest->>'approval_requested_at')::timestamptz AS approval_requested_at,
  (r.rest->>'approval_deadline_at')::timestamptz AS approval_deadline_at,
  r.rest->>'approval_message' AS approval_message, r.rest->'approval_approvers' AS approval_approvers,
  r.rest->>'approval_config_id' AS approval_config_id, r.rest->>'approval_config_name' AS approval_config_name
FROM unnest($1::uuid[], $2::int[], $3::int[], $4::float8[], $5::int[], $6::int[], $7::numeric[], $8::float8[],
  $9::float8[], string_to_array($10, E'\\n', ''), string_to_array($11, E'\\n', ''), string_to_array($12, E'\\n', ''),
  string_to_array($13, E'\\n', ''), string_to_array($14, E'\\n', ''), string_to_array($15, E'\\n', ''),
  string_to_array($16, E'\\n', ''), string_to_array($17, E'\\n', '')::jsonb[])
  AS r(execution_id, step_index, version, latency_ms, retry_count, token_count, estimated_cost, started_ms,
    completed_ms, step_id, step_name, status, agent_id, agent_version, output, dependencies, rest)`;

const STORED_COLUMNS = `id, execution_id, step_index, step_id, step_name, status, output, output_truncated, error_message, error_trace,
    dependencies, latency_ms, retry_count, token_count, estimated_cost, started_at, completed_at, agent_id,
    agent_version, version, approval_tenant_id, approval_requested_at, approval_deadline_at, approval_message,
    approval_approvers, approval_config_id, approval_config_name`;

/**
 * Adds step runs ($1–$17, see SENT_STEP_RUNS) that the table does not have yet. Looking for each of them first would
 * cost a quarter more. Fails with a unique violation when one exists.
 */
export const ADD_STEP_RUNS = `
INSERT INTO execution.orchestration_step_runs (${STORED_COLUMNS})
${SENT_STEP_RUNS}`;

/**
 * Writes step runs ($1–$17, see SENT_STEP_RUNS) and moves the cursors ($18 partitions, $19 positions) in one statement.
 * Older versions than a row's own change nothing. So a batch may be written twice, or by an owner that was replaced.
 */
export const PROJECT_STEP_RUNS = `
WITH written AS (
  INSERT INTO execution.orchestration_step_runs (${STORED_COLUMNS})
  ${SENT_STEP_RUNS}
  ON CONFLICT (execution_id, step_index) DO UPDATE SET
    step_id = excluded.step_id, status = excluded.status, output = excluded.output, output_truncated = excluded.output_truncated,
    error_message = excluded.error_message, error_trace = excluded.error_trace, latency_ms = excluded.latency_ms,
    retry_count = excluded.retry_count, token_count = excluded.token_count, estimated_cost = excluded.estimated_cost,
    started_at = excluded.started_at, completed_at = excluded.completed_at, agent_version = excluded.agent_version,
    version = excluded.version, approval_tenant_id = excluded.approval_tenant_id,
    approval_requested_at = excluded.approval_requested_at, approval_deadline_at = excluded.approval_deadline_at,
    approval_message = excluded.approval_message, approval_approvers = excluded.approval_approvers,
    approval_config_id = excluded.approval_config_id, approval_config_name = excluded.approval_config_name
  WHERE orchestration_step_runs.version <= excluded.version
)
INSERT INTO execution.projection_cursors (projection, partition, position)
SELECT 'step_runs', c.partition, c.position FROM unnest($18::int[], $19::bigint[]) AS c(partition, position)
ON CONFLICT (projection, partition) DO UPDATE SET position = greatest(projection_cursors.position, excluded.position)`;

/** $1 executions, $2 their partition. */
export const ADD_UNPROJECTED = `
INSERT INTO execution.unprojected_executions (execution_id, partition)
SELECT u.id, $2 FROM unnest($1::uuid[]) AS u(id) ON CONFLICT (execution_id) DO NOTHING`;

/** $1 partition, $2 after, $3 limit. */
export const READ_UNPROJECTED = `
SELECT execution_id AS id FROM execution.unprojected_executions
WHERE partition = $1 AND execution_id > coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
ORDER BY execution_id LIMIT $3`;

/** $1 executions. */
export const REMOVE_UNPROJECTED = `DELETE FROM execution.unprojected_executions WHERE execution_id = ANY($1::uuid[])`;

/** $1 partition. */
export const READ_CURSOR = `
SELECT position FROM execution.projection_cursors WHERE projection = 'step_runs' AND partition = $1`;

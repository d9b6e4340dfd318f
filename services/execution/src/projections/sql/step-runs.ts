/** The name under which the projection of step runs keeps its cursors. */
export const STEP_RUNS = 'step_runs';

/**
 * Writes step runs ($1, rows as JSON) and moves the cursors ($2 partitions, $3 positions) in one statement. What is
 * older than a row's version changes nothing, so a batch may be written twice or by an owner that was replaced.
 */
export const PROJECT_STEP_RUNS = `
WITH written AS (
  INSERT INTO execution.orchestration_step_runs (
    id, execution_id, step_index, step_id, step_name, status, output, output_truncated, error_message, error_trace,
    dependencies, latency_ms, retry_count, token_count, estimated_cost, started_at, completed_at, agent_id,
    agent_version, version, approval_tenant_id, approval_requested_at, approval_deadline_at, approval_message,
    approval_approvers)
  SELECT md5(r.execution_id::text || '/' || r.step_id)::uuid, r.execution_id, r.step_index, r.step_id, r.step_name,
    r.status, r.output, r.output_truncated, r.error_message, r.error_trace, r.dependencies, r.latency_ms,
    r.retry_count, r.token_count, r.estimated_cost, r.started_at, r.completed_at, r.agent_id, r.agent_version, r.version,
    r.approval_tenant_id, r.approval_requested_at, r.approval_deadline_at, r.approval_message, r.approval_approvers
  FROM jsonb_populate_recordset(NULL::execution.orchestration_step_runs, $1::jsonb) r
  ON CONFLICT (execution_id, step_index) DO UPDATE SET
    status = excluded.status, output = excluded.output, output_truncated = excluded.output_truncated,
    error_message = excluded.error_message, error_trace = excluded.error_trace, latency_ms = excluded.latency_ms,
    retry_count = excluded.retry_count, token_count = excluded.token_count, estimated_cost = excluded.estimated_cost,
    started_at = excluded.started_at, completed_at = excluded.completed_at, agent_version = excluded.agent_version,
    version = excluded.version, approval_tenant_id = excluded.approval_tenant_id,
    approval_requested_at = excluded.approval_requested_at, approval_deadline_at = excluded.approval_deadline_at,
    approval_message = excluded.approval_message, approval_approvers = excluded.approval_approvers
  WHERE orchestration_step_runs.version <= excluded.version
)
INSERT INTO execution.projection_cursors (projection, partition, position)
SELECT 'step_runs', c.partition, c.position FROM unnest($2::int[], $3::bigint[]) AS c(partition, position)
ON CONFLICT (projection, partition) DO UPDATE SET position = greatest(projection_cursors.position, excluded.position)`;

/** $1 partition. */
export const READ_CURSOR = `
SELECT position FROM execution.projection_cursors WHERE projection = 'step_runs' AND partition = $1`;

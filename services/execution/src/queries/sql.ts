/** $1 tenant, $2 trace id. */
export const EXECUTION_BY_TRACE = `
SELECT id FROM execution.orchestration_executions WHERE tenant_id = $1 AND trace_id = $2`;

/**
 * One page of the approvals that wait in a tenant, oldest first. $1 tenant, $2 config id, $3 execution id, $4 user who may
 * decide, $5 and $6 time of the request and row id of the last one seen, $7 limit, $8 config name; null means any.
 */
export const LIST_APPROVALS = `
SELECT s.id, s.execution_id, s.step_id, s.step_name, e.config_id, e.config_name, e.status, s.approval_message,
  s.approval_approvers, s.approval_requested_at, s.approval_deadline_at
FROM execution.orchestration_step_runs s
JOIN execution.orchestration_executions e ON e.id = s.execution_id
WHERE s.approval_requested_at IS NOT NULL
  AND s.approval_tenant_id = $1
  AND ($2::text IS NULL OR e.config_id = $2)
  AND ($3::uuid IS NULL OR s.execution_id = $3)
  AND ($4::text IS NULL OR s.approval_approvers IS NULL OR s.approval_approvers ? $4)
  AND ($5::timestamptz IS NULL OR (s.approval_requested_at, s.id) > ($5, $6::uuid))
  AND ($8::text IS NULL OR e.config_name = $8)
ORDER BY s.approval_requested_at, s.id
LIMIT $7`;

/** Approvals that wait, of all tenants: the size of a partial index. */
export const COUNT_APPROVALS = `
SELECT count(*)::int AS waiting FROM execution.orchestration_step_runs WHERE approval_requested_at IS NOT NULL`;

/**
 * One page of a tenant's executions, newest first. $1 tenant, $2 config id, $3 statuses, $4 user, $5 and $6 created from
 * and to, $7 config name, $8 and $9 creation time and id of the last one seen, $10 limit; null means any.
 */
export const LIST_EXECUTIONS = `
SELECT id, trace_id, config_id, config_name, status, user_id, session_id, tenant_id, created_at, started_at,
  completed_at, paused_at, total_latency_ms, estimated_cost, created_by,
  coalesce(token_count, 0) AS token_count
FROM execution.orchestration_executions
WHERE tenant_id = $1
  AND ($2::text IS NULL OR config_id = $2)
  AND ($3::text[] IS NULL OR status = ANY($3))
  AND ($4::text IS NULL OR user_id = $4)
  AND ($5::timestamptz IS NULL OR created_at >= $5)
  AND ($6::timestamptz IS NULL OR created_at < $6)
  AND ($7::text IS NULL OR config_name = $7)
  AND ($8::timestamptz IS NULL OR (created_at, id) < ($8, $9::uuid))
ORDER BY created_at DESC, id DESC
LIMIT $10`;

/** $1 tenant, $2 trace id. */
export const EXECUTION_BY_TRACE = `
SELECT id FROM execution.orchestration_executions WHERE tenant_id = $1 AND trace_id = $2`;

/** $1 tenant, $2 trace id. The index of these alone. */
export const DELETED_BY_TRACE = `
SELECT execution_id AS id FROM execution.events
WHERE type = 'ExecutionDeleted' AND data->>'tenantId' = $1 AND data->>'traceId' = $2 LIMIT 1`;

/** Approvals that wait, of all tenants: the size of a partial index. */
export const COUNT_APPROVALS = `
SELECT count(*)::int AS waiting FROM execution.orchestration_step_runs WHERE approval_requested_at IS NOT NULL`;

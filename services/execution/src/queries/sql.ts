/** $1 tenant, $2 trace id. */
export const EXECUTION_BY_TRACE = `
SELECT id FROM execution.orchestration_executions WHERE tenant_id = $1 AND trace_id = $2`;

/** $1 tenant, $2 trace id. Uses the index of deleted executions only. */
export const DELETED_BY_TRACE = `
SELECT execution_id AS id FROM execution.events
WHERE type = 'ExecutionDeleted' AND data->>'tenantId' = $1 AND data->>'traceId' = $2 LIMIT 1`;

/** Waiting approvals of all tenants, from the size of a partial index. */
export const COUNT_APPROVALS = `
SELECT count(*)::int AS waiting FROM execution.orchestration_step_runs WHERE approval_requested_at IS NOT NULL`;

/** $1 schedule id, $2 tenant. */
export const READ_SCHEDULE = `
SELECT view FROM execution.streams WHERE id = $1 AND tenant_id = $2 AND kind = 'schedule' AND status <> 'deleted'`;

/**
 * $1 tenant, $2 status or null, $3 config id or null, $4 and $5 creation time and id of the previous row or null, $6
 * limit, $7 bytes of the page. Inputs of schedules may be large, so the page may end early: `found` is the number of
 * rows without this limit.
 */
export const LIST_SCHEDULES = `
SELECT id, created_at, view, found FROM (
  SELECT id, created_at, view, count(*) OVER ()::int AS found, row_number() OVER listed AS place,
    sum(octet_length(view::text)) OVER listed AS bytes
  FROM (
    SELECT id, created_at, view FROM execution.streams
    WHERE tenant_id = $1 AND kind = 'schedule' AND status <> 'deleted'
      AND ($2::text IS NULL OR status = $2) AND ($3::text IS NULL OR config_id = $3)
      AND ($4::bigint IS NULL OR (created_at, id) < ($4, $5::uuid))
    ORDER BY created_at DESC, id DESC LIMIT $6
  ) AS page
  WINDOW listed AS (ORDER BY created_at DESC, id DESC)
) AS measured
WHERE place = 1 OR bytes <= $7
ORDER BY created_at DESC, id DESC`;

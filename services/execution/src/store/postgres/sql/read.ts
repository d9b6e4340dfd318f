/** Inputs and metadata may be large, so they are not read. $1 execution ids. */
export const READ_STARTS = `
SELECT e.execution_id, e.version, e.type, e.data
FROM unnest($1::uuid[]) AS w(id)
CROSS JOIN LATERAL (
  SELECT execution_id, version, type, data - ARRAY['input', 'metadata'] AS data FROM execution.events
  WHERE execution_id = w.id AND version = 1 LIMIT 1
) e`;

/** $1 partition, $2 the last id of the previous page, $3 limit. */
export const READ_UNFINISHED = `
SELECT id FROM execution.orchestration_executions
WHERE partition = $1 AND wake_at IS NOT NULL AND ($2::uuid IS NULL OR id > $2::uuid)
ORDER BY id LIMIT $3`;

export const READ_TASK_KEY = `SELECT task_key FROM execution.settings`;

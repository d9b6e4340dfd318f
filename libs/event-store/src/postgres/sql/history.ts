/** $1 partitions, $2 limit. A partial index contains exactly these rows. */
export const READ_DELETED = `
SELECT x.id, x.partition, e.position
FROM execution.orchestration_executions x
JOIN execution.events e ON e.execution_id = x.id AND e.version = x.version
WHERE x.status = 'deleted' AND x.partition = ANY($1::int[]) LIMIT $2`;

/**
 * One statement, so that a crash leaves either everything or nothing removed. The locked row says that the execution is
 * deleted, so nothing is appended to it any more and no epoch needs to be checked. $1 execution ids.
 */
export const REMOVE_HISTORY = `
WITH gone AS (
  SELECT id, version FROM execution.orchestration_executions
  WHERE id = ANY($1::uuid[]) AND status = 'deleted' ORDER BY id FOR UPDATE
), removed AS (
  DELETE FROM execution.events e USING gone g
  WHERE e.execution_id = g.id AND e.version < g.version
  RETURNING e.execution_id, e.partition, e.position, e.link
), kept AS (
  INSERT INTO execution.removed_links (partition, position, link, last_of)
  SELECT partition, position, link,
    CASE WHEN position = max(position) OVER (PARTITION BY execution_id) THEN execution_id END
  FROM removed WHERE length(link) = 32
), step_runs AS (
  DELETE FROM execution.orchestration_step_runs s USING gone g WHERE s.execution_id = g.id
), snapshots AS (
  DELETE FROM execution.snapshots s USING gone g WHERE s.execution_id = g.id
), said AS (
  DELETE FROM execution.attempt_output o USING gone g WHERE o.execution_id = g.id
), unprojected AS (
  DELETE FROM execution.unprojected_executions u USING gone g WHERE u.execution_id = g.id
)
DELETE FROM execution.orchestration_executions x USING gone g WHERE x.id = g.id RETURNING x.id`;

/** $1 execution id. */
export const READ_LAST_REMOVED = `
SELECT partition, position, encode(link, 'hex') AS link FROM execution.removed_links WHERE last_of = $1`;

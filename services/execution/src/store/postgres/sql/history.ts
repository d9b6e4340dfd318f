import { REMOVE_EVENTS } from '@batuta/event-store';

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
), ${REMOVE_EVENTS}, step_runs AS (
  DELETE FROM execution.orchestration_step_runs s USING gone g WHERE s.execution_id = g.id
), said AS (
  DELETE FROM execution.attempt_output o USING gone g WHERE o.execution_id = g.id
), unprojected AS (
  DELETE FROM execution.unprojected_executions u USING gone g WHERE u.execution_id = g.id
)
DELETE FROM execution.orchestration_executions x USING gone g WHERE x.id = g.id RETURNING x.id`;

/**
 * Puts removed events back. One statement, so that a crash leaves either everything or nothing of it. The links that were kept
 * move back to their events, so each link is in one place at any time. Nothing is written when the kept links are not those of
 * the events. $1 execution id, $2 version of the event that records the deletion, $3 events as JSON, $4 row as JSON.
 */
export const RESTORE_HISTORY = `
WITH given AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset($3::jsonb)
    AS g(version int, position bigint, at bigint, type text, command_id text, data jsonb, link text)
), tombstone AS MATERIALIZED (
  SELECT e.partition FROM execution.events e
  WHERE e.execution_id = $1::uuid AND e.version = $2::int AND e.type = 'ExecutionDeleted'
    AND NOT EXISTS (SELECT FROM execution.events n WHERE n.execution_id = $1::uuid AND n.version > $2::int)
), present AS MATERIALIZED (
  SELECT count(*) AS events FROM execution.events e WHERE e.execution_id = $1::uuid AND e.version < $2::int
), kept AS MATERIALIZED (
  SELECT count(*) AS links FROM given g JOIN tombstone t ON true
  JOIN execution.removed_links r ON r.partition = t.partition AND r.position = g.position AND r.link = decode(g.link, 'hex')
), allowed AS MATERIALIZED (
  SELECT t.partition FROM tombstone t, present p, kept k
  WHERE p.events = 0 AND k.links = (SELECT count(*) FROM given WHERE length(link) = 64)
    AND (SELECT count(*) FROM given) = $2::int - 1
), moved AS (
  DELETE FROM execution.removed_links r USING given g, allowed a
  WHERE r.partition = a.partition AND r.position = g.position AND length(g.link) = 64 RETURNING r.position
), back AS (
  INSERT INTO execution.events (partition, version, position, at, execution_id, type, command_id, data, link)
  SELECT a.partition, g.version, g.position, g.at, $1::uuid, g.type, g.command_id, g.data, decode(g.link, 'hex')
  FROM given g, allowed a RETURNING version
), rows AS (
  INSERT INTO execution.orchestration_executions
  SELECT r.* FROM jsonb_populate_recordset(NULL::execution.orchestration_executions, $4::jsonb) r, allowed
  ON CONFLICT (id) DO NOTHING RETURNING id
)
SELECT (SELECT count(*) FROM back)::int AS back, (SELECT events FROM present)::int AS present,
  (SELECT count(*) FROM tombstone)::int AS tombstone, (SELECT count(*) FROM moved)::int AS moved,
  (SELECT count(*) FROM rows)::int AS rows`;

/**
 * Expressions of a WITH clause that has `gone (id, version)`: they remove the events of these streams before the given
 * versions, and their snapshots, and keep the links of the removed events. So a checkpoint can still be compared with
 * all links that it covers. Nothing may be appended to these streams meanwhile.
 */
export const REMOVE_EVENTS = `removed AS (
  DELETE FROM execution.events e USING gone g
  WHERE e.execution_id = g.id AND e.version < g.version
  RETURNING e.execution_id, e.partition, e.position, e.link
), kept AS (
  INSERT INTO execution.removed_links (partition, position, link, last_of)
  SELECT partition, position, link,
    CASE WHEN position = max(position) OVER (PARTITION BY execution_id) THEN execution_id END
  FROM removed WHERE length(link) = 32
), snapshots AS (
  DELETE FROM execution.snapshots s USING gone g WHERE s.execution_id = g.id
)`;

/** $1 id of a stream. */
export const READ_LAST_REMOVED = `
SELECT partition, position, encode(link, 'hex') AS link FROM execution.removed_links WHERE last_of = $1`;

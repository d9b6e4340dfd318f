/**
 * Cursors of partitions ($1 partitions, $2 positions). A missing one begins at the given position, so that switching
 * tracing on does not export the past.
 */
export const OPEN_CURSORS = `
INSERT INTO execution.projection_cursors (projection, partition, position)
SELECT 'traces', c.partition, c.position FROM unnest($1::int[], $2::bigint[]) AS c(partition, position)
ON CONFLICT (projection, partition) DO UPDATE SET position = projection_cursors.position
RETURNING partition, position`;

/** $1 partitions, $2 positions. */
export const MOVE_CURSORS = `
UPDATE execution.projection_cursors x SET position = c.position
FROM unnest($1::int[], $2::bigint[]) AS c(partition, position)
WHERE x.projection = 'traces' AND x.partition = c.partition AND x.position < c.position`;

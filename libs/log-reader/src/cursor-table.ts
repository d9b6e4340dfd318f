/**
 * The statements of a table with one cursor for each partition: `partition int PRIMARY KEY`, `position bigint` and
 * `updated_at timestamptz`. It belongs to the database of the reader, so that one transaction stores what the reader
 * makes of events and moves the cursors past them.
 */
export interface CursorTable {
  /** Creates missing cursors at the beginning of the log. $1: number of partitions. */
  readonly add: string;
  /** $1: partitions. */
  readonly positions: string;
  /**
   * Moves the cursors that are still where the reading began, and returns their partitions. Parameters: `cursorMoves`.
   */
  readonly move: string;
  /**
   * The same for a statement that has its own condition: two expressions of a WITH clause, of which `moved` has the
   * moved partitions. It uses $1 to $3.
   */
  moveIf(condition: string): string;
}

/** `table`: its name with its schema. */
export function cursorTable(table: string): CursorTable {
  // All processes lock the cursors in the same order.
  const locked = `locked AS MATERIALIZED (
    SELECT partition, position FROM ${table} WHERE partition = ANY($1::int[])
    ORDER BY partition FOR UPDATE
  )`;
  const moveLocked = `UPDATE ${table} AS c SET position = r.upto, updated_at = now()
  FROM unnest($1::int[], $2::bigint[], $3::bigint[]) AS r(partition, since, upto)
  JOIN locked USING (partition)
  WHERE c.partition = r.partition AND locked.position = r.since`;
  return {
    add: `
  INSERT INTO ${table} (partition) SELECT generate_series(0, $1::int - 1) ON CONFLICT DO NOTHING`,
    positions: `SELECT partition, position FROM ${table} WHERE partition = ANY($1::int[])`,
    move: `
  WITH ${locked}
  ${moveLocked}
  RETURNING c.partition`,
    moveIf: (condition) => `${locked}, moved AS (
  ${moveLocked} AND ${condition}
  RETURNING c.partition
)`,
  };
}

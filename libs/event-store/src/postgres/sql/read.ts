import type { LargeFields } from '../../port.js';

const ENVELOPE = 'execution_id, version, type, at, command_id, position, partition';
const COLUMNS = `${ENVELOPE}, data`;

/** $1 ids of streams. `data`: the expression for the data of an event. */
export const readStreams = (data = 'data'): string => `
SELECT ${ENVELOPE}, ${data} AS data FROM execution.events WHERE execution_id = ANY($1::uuid[])
ORDER BY execution_id, version`;

/** $1 id of a stream, $2 first version, $3 limit. `data`: as above. */
export const readEvents = (data = 'data'): string => `
SELECT ${ENVELOPE}, ${data} AS data FROM execution.events WHERE execution_id = $1 AND version >= $2
ORDER BY version LIMIT $3`;

const literals = (texts: readonly string[]): string =>
  texts.map((text) => `'${text.replaceAll("'", "''")}'`).join(', ');

/** Stored data up to this size are never examined. Compression makes them at most about ninety times smaller. */
const SMALL_STORED = 500;

/** Text is made only of fields that have this part of the limit as `jsonb`, which is rarely so much smaller than text. */
const SMALLER_AS_JSONB = 8;

/** An event's data with the size of each large field in its place. */
export const dataWithout = ({ types, fields, bytes, mark }: LargeFields): string => `
CASE WHEN type IN (${literals(types)}) AND pg_column_size(data) > ${SMALL_STORED} THEN (
  SELECT jsonb_object_agg(f.key, CASE WHEN s.bytes > ${bytes} THEN jsonb_build_object(${literals([mark])}, s.bytes) ELSE f.value END)
  FROM jsonb_each(data) AS f
  CROSS JOIN LATERAL (
    SELECT CASE WHEN f.key IN (${literals(fields)}) AND pg_column_size(f.value) > ${Math.floor(bytes / SMALLER_AS_JSONB)}
      THEN octet_length(f.value::text) ELSE 0 END AS bytes
  ) AS s
) ELSE data END`;

/** $1 id of a stream, $2 first version, $3 limit. */
export const READ_CHAIN = `
SELECT version, partition, position, at, type, command_id AS "commandId", data, encode(link, 'hex') AS link
FROM execution.events WHERE execution_id = $1 AND version >= $2 ORDER BY version LIMIT $3`;

/** $1 ids of streams. */
export const READ_NEWEST = `
SELECT w.id AS execution_id, e.version, e.type
FROM unnest($1::uuid[]) AS w(id)
CROSS JOIN LATERAL (
  SELECT version, type FROM execution.events WHERE execution_id = w.id ORDER BY version DESC LIMIT 1
) e`;

/** $1 ids of streams. */
export const READ_CHAIN_ENDS = `
SELECT w.id AS execution_id, e.version, e.link
FROM unnest($1::uuid[]) AS w(id)
CROSS JOIN LATERAL (
  SELECT version, coalesce(encode(link, 'hex'), '') AS link FROM execution.events
  WHERE execution_id = w.id ORDER BY version DESC LIMIT 1
) e`;

/**
 * $1 partitions, $2 positions, $3 limit for each of them, $4 types or null. `condition`: see `LogFilter`. `of` is the index of the cursor. A commit becomes visible as a whole, and positions are assigned under
 * the lock of the partition's row. So the result is a prefix of the log: no event can appear later at or below the last
 * position that was read. A partition without new events gives one row without an event.
 */
export const readLogs = (condition = 'true'): string => `
SELECT w.of::int, p.last_position, e.*
FROM unnest($1::int[], $2::bigint[]) WITH ORDINALITY AS w(partition, after, of)
JOIN execution.partitions p ON p.id = w.partition
LEFT JOIN LATERAL (
  SELECT ${COLUMNS} FROM execution.events
  WHERE partition = w.partition AND position > w.after AND ($4::text[] IS NULL OR type = ANY($4::text[]))
    AND (${condition})
  ORDER BY position LIMIT $3
) e ON p.last_position > w.after
ORDER BY w.of, e.position`;

/** $1 partition, $2 position, $3 limit. */
export const STREAMS_AFTER = `
SELECT execution_id, min(position) AS position FROM execution.events
WHERE partition = $1 AND position > $2
GROUP BY execution_id ORDER BY 2 LIMIT $3`;

/** The table of streams without a table of their own. */
const STREAMS = 'execution.streams';

/** $1 partitions, $2 epoch ms, $3 limit. `tables`: see `RowsBeside`. */
export function readDue(tables: readonly string[]): string {
  const due = [...tables, STREAMS].map(
    (table) => `(SELECT id, partition, wake_at FROM ${table}
  WHERE partition = ANY($1::int[]) AND wake_at <= $2 ORDER BY wake_at LIMIT $3)`,
  );
  return `
${due.join('\nUNION ALL\n')}
ORDER BY wake_at LIMIT $3`;
}

/** $1 partitions. One index lookup per partition. `tables`: see `RowsBeside`. */
export function nextDue(tables: readonly string[]): string {
  const next = [...tables, STREAMS].map(
    (table) => `min((SELECT wake_at FROM ${table} x
    WHERE x.partition = w.id AND x.wake_at IS NOT NULL ORDER BY x.wake_at LIMIT 1))`,
  );
  return `
SELECT least(
  ${next.join(',\n  ')}) AS wake_at
FROM unnest($1::int[]) AS w(id)`;
}

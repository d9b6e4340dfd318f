const COLUMNS = 'execution_id, version, type, at, command_id, position, partition, data';

/** $1 execution ids. */
export const READ_EXECUTIONS = `
SELECT ${COLUMNS} FROM execution.events WHERE execution_id = ANY($1::uuid[]) ORDER BY execution_id, version`;

/** $1 execution id, $2 first version, $3 limit. */
export const READ_EVENTS = `
SELECT ${COLUMNS} FROM execution.events WHERE execution_id = $1 AND version >= $2 ORDER BY version LIMIT $3`;

/** $1 execution id, $2 first version, $3 limit. */
export const READ_CHAIN = `
SELECT version, partition, position, at, type, command_id AS "commandId", data, encode(link, 'hex') AS link
FROM execution.events WHERE execution_id = $1 AND version >= $2 ORDER BY version LIMIT $3`;

/** $1 execution ids. */
export const READ_NEWEST = `
SELECT w.id AS execution_id, e.version, e.type
FROM unnest($1::uuid[]) AS w(id)
CROSS JOIN LATERAL (
  SELECT version, type FROM execution.events WHERE execution_id = w.id ORDER BY version DESC LIMIT 1
) e`;

/** $1 execution ids. */
export const READ_CHAIN_ENDS = `
SELECT w.id AS execution_id, e.version, e.link
FROM unnest($1::uuid[]) AS w(id)
CROSS JOIN LATERAL (
  SELECT version, coalesce(encode(link, 'hex'), '') AS link FROM execution.events
  WHERE execution_id = w.id ORDER BY version DESC LIMIT 1
) e`;

/** Inputs and metadata may be large, so they are not read. $1 execution ids. */
export const READ_STARTS = `
SELECT e.execution_id, e.version, e.type, e.data
FROM unnest($1::uuid[]) AS w(id)
CROSS JOIN LATERAL (
  SELECT execution_id, version, type, data - ARRAY['input', 'metadata'] AS data FROM execution.events
  WHERE execution_id = w.id AND version = 1 LIMIT 1
) e`;

/**
 * $1 partitions, $2 positions, $3 limit for each of them, $4 types or null, $5 whether starts without a callback_url
 * are left out. `of` is the index of the cursor. A commit becomes visible as a whole, and positions are assigned under
 * the lock of the partition's row. So the result is a prefix of the log: no event can appear later at or below the last
 * position that was read. A partition without new events gives one row without an event.
 */
export const READ_LOGS = `
SELECT w.of::int, p.last_position, e.*
FROM unnest($1::int[], $2::bigint[]) WITH ORDINALITY AS w(partition, after, of)
JOIN execution.partitions p ON p.id = w.partition
LEFT JOIN LATERAL (
  SELECT ${COLUMNS} FROM execution.events
  WHERE partition = w.partition AND position > w.after AND ($4::text[] IS NULL OR type = ANY($4::text[]))
    AND (NOT $5::boolean OR type <> 'ExecutionStarted' OR data->>'callbackUrl' <> '')
  ORDER BY position LIMIT $3
) e ON p.last_position > w.after
ORDER BY w.of, e.position`;

/** $1 partition, $2 position, $3 limit. */
export const EXECUTIONS_AFTER = `
SELECT execution_id, min(position) AS position FROM execution.events
WHERE partition = $1 AND position > $2
GROUP BY execution_id ORDER BY 2 LIMIT $3`;

/** $1 partitions, $2 epoch ms, $3 limit. */
export const READ_DUE = `
(SELECT id, partition, wake_at FROM execution.orchestration_executions
  WHERE partition = ANY($1::int[]) AND wake_at <= $2 ORDER BY wake_at LIMIT $3)
UNION ALL
(SELECT id, partition, wake_at FROM execution.streams
  WHERE partition = ANY($1::int[]) AND wake_at <= $2 ORDER BY wake_at LIMIT $3)
ORDER BY wake_at LIMIT $3`;

/** $1 partitions. One index lookup per partition. */
export const NEXT_DUE = `
SELECT least(
  min((SELECT wake_at FROM execution.orchestration_executions x
    WHERE x.partition = w.id AND x.wake_at IS NOT NULL ORDER BY x.wake_at LIMIT 1)),
  min((SELECT wake_at FROM execution.streams s
    WHERE s.partition = w.id AND s.wake_at IS NOT NULL ORDER BY s.wake_at LIMIT 1))) AS wake_at
FROM unnest($1::int[]) AS w(id)`;

/** $1 partition, $2 the last id of the previous page, $3 limit. */
export const READ_UNFINISHED = `
SELECT id FROM execution.orchestration_executions
WHERE partition = $1 AND wake_at IS NOT NULL AND ($2::uuid IS NULL OR id > $2::uuid)
ORDER BY id LIMIT $3`;

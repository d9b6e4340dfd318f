import { cursorTable } from '@batuta/log-reader';

export const CURSORS = cursorTable('notifications.cursors');

// Each is answered by the first row of a partial index.
const FIRST_CONFIG_CALLBACK = `
        SELECT id FROM notifications.callbacks WHERE enabled AND config_id IS NOT NULL ORDER BY config_id LIMIT 1`;
const FIRST_EXECUTION_CALLBACK = `
        SELECT id FROM notifications.callbacks WHERE enabled AND execution_id IS NOT NULL ORDER BY execution_id LIMIT 1`;
const FIRST_OPEN_EXECUTION = `
        SELECT execution_id FROM notifications.executions WHERE ended_at IS NULL ORDER BY execution_id LIMIT 1`;

/** Moves the cursors if the one row of `judged` says that nothing is `wanted`. */
const LOCKED_AND_MOVED = CURSORS.moveIf('NOT (SELECT wanted FROM judged)');

/**
 * Moves the cursors like `CURSORS.move`, unless a callback may want the events; then no cursor moves. Returns one row: `configs`,
 * whether any config has an enabled callback; `wanted`; and the partitions whose cursor `moved`. $1: partitions, $2:
 * old positions, $3: new positions, $4: the executions of the events, $5: whether the events themselves show that they
 * are wanted.
 *
 * One row of a partial index answers the first question of each pair. The second is asked only if there is such a row.
 */
export const MOVE_UNLESS_WANTED = `
  WITH enabled AS MATERIALIZED (
    SELECT (
      ${FIRST_CONFIG_CALLBACK}
    ) IS NOT NULL AS configs
  ), judged AS MATERIALIZED (
    SELECT configs, CASE
      WHEN cardinality($4::text[]) = 0 THEN false
      WHEN configs OR $5::boolean THEN true
      ELSE CASE WHEN (
        ${FIRST_EXECUTION_CALLBACK}
      ) IS NULL THEN false ELSE EXISTS (
        SELECT FROM unnest($4::text[]) AS w(id) CROSS JOIN LATERAL (
          SELECT FROM notifications.callbacks WHERE enabled AND execution_id = w.id LIMIT 1
        ) AS own
      ) END OR CASE WHEN (
        ${FIRST_OPEN_EXECUTION}
      ) IS NULL THEN false ELSE EXISTS (
        SELECT FROM unnest($4::text[]) AS w(id) CROSS JOIN LATERAL (
          SELECT FROM notifications.executions WHERE ended_at IS NULL AND execution_id = w.id LIMIT 1
        ) AS open
      ) END
    END AS wanted
    FROM enabled
  ), ${LOCKED_AND_MOVED}
  SELECT configs, wanted, ARRAY(SELECT partition FROM moved) AS moved FROM judged`;

/**
 * Moves the cursors like `CURSORS.move`, unless any callback is enabled or any stored execution has not ended. Returns one row:
 * `wanted`, whether there is one, and the partitions whose cursor `moved`. $1: partitions, $2: old positions, $3: new
 * positions.
 */
export const MOVE_UNLESS_ANYBODY = `
  WITH judged AS MATERIALIZED (
    SELECT (${FIRST_CONFIG_CALLBACK}) IS NOT NULL
      OR (${FIRST_EXECUTION_CALLBACK}) IS NOT NULL
      OR (${FIRST_OPEN_EXECUTION}) IS NOT NULL AS wanted
  ), ${LOCKED_AND_MOVED}
  SELECT wanted, ARRAY(SELECT partition FROM moved) AS moved FROM judged`;

/**
 * What is stored about executions, one row each; `tenant_id` is null when nothing is stored. `own`: whether it has its
 * own enabled callback. Each execution is looked up by itself, so that no statistics can turn this into a scan. $1:
 * execution ids.
 */
export const KEPT = `
  SELECT w.id AS execution_id, x.*, coalesce(c.own, false) AS own
  FROM unnest($1::text[]) AS w(id)
  LEFT JOIN LATERAL (
    SELECT tenant_id, trace_id, config_id, config_name, user_id, callback_url, callback_url_gone,
      ended_at IS NOT NULL AS ended
    FROM notifications.executions WHERE execution_id = w.id LIMIT 1
  ) AS x ON true
  LEFT JOIN LATERAL (
    SELECT true AS own FROM notifications.callbacks WHERE enabled AND execution_id = w.id LIMIT 1
  ) AS c ON true`;

/** Stores executions, and updates whether stored ones have ended. $1: JSON array. */
export const KEEP = `
  INSERT INTO notifications.executions AS x
    (execution_id, tenant_id, trace_id, config_id, config_name, user_id, callback_url, ended_at)
  SELECT execution_id, tenant_id, trace_id, config_id, config_name, user_id, callback_url, CASE WHEN ended THEN now() END
  FROM jsonb_to_recordset($1::jsonb) AS r(execution_id text, tenant_id text, trace_id text, config_id text,
    config_name text, user_id text, callback_url text, ended boolean)
  ORDER BY execution_id
  ON CONFLICT (execution_id) DO UPDATE SET ended_at = EXCLUDED.ended_at
  WHERE (x.ended_at IS NULL) <> (EXCLUDED.ended_at IS NULL)`;

/** Stores an execution if it is not stored yet, and returns its id then. $1: JSON object. */
export const KEEP_NEW = `
  INSERT INTO notifications.executions
    (execution_id, tenant_id, trace_id, config_id, config_name, user_id, callback_url)
  SELECT execution_id, tenant_id, trace_id, config_id, config_name, user_id, callback_url
  FROM jsonb_to_record($1::jsonb) AS r(execution_id text, tenant_id text, trace_id text, config_id text,
    config_name text, user_id text, callback_url text)
  ON CONFLICT (execution_id) DO NOTHING RETURNING execution_id`;

/** $1: execution id. */
export const NOTE_END = `
  UPDATE notifications.executions SET ended_at = now() WHERE execution_id = $1 AND ended_at IS NULL`;

/** Enabled callbacks. Each owner is looked up by itself, as in KEPT. $1: execution ids, $2: config ids. */
export const CALLBACKS = `
  SELECT c.id, c.tenant_id, c.config_id, c.execution_id, c.events, c.channel, c.fallback FROM (
    SELECT own.* FROM unnest($1::text[]) AS w(id) CROSS JOIN LATERAL (
      SELECT * FROM notifications.callbacks WHERE enabled AND execution_id = w.id OFFSET 0
    ) AS own
    UNION ALL
    SELECT own.* FROM unnest($2::text[]) AS w(id) CROSS JOIN LATERAL (
      SELECT * FROM notifications.callbacks WHERE enabled AND config_id = w.id OFFSET 0
    ) AS own
  ) AS c ORDER BY c.id`;

/** $1: JSON array of {execution_id, version, event}. */
export const KEEP_EVENTS = `
  INSERT INTO notifications.events (execution_id, version, event)
  SELECT execution_id, version, event FROM json_to_recordset($1::json) AS r(execution_id text, version int, event json)
  ON CONFLICT DO NOTHING`;

/** Deletes everything about executions, in the order in which other statements lock the tables. $1: execution ids. */
export const FORGET: readonly string[] = [
  `DELETE FROM notifications.orchestration_callbacks WHERE execution_id = ANY($1::text[])`,
  `DELETE FROM notifications.callbacks WHERE execution_id = ANY($1::text[])`,
  `DELETE FROM notifications.events WHERE execution_id = ANY($1::text[])`,
  `DELETE FROM notifications.inbox WHERE execution_id = ANY($1::text[])`,
  `DELETE FROM notifications.executions WHERE execution_id = ANY($1::text[])`,
];

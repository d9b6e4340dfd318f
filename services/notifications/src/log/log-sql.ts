/** $1: number of partitions. */
export const ADD_CURSORS = `
  INSERT INTO notifications.cursors (partition) SELECT generate_series(0, $1::int - 1) ON CONFLICT DO NOTHING`;

/** $1: partitions. */
export const POSITIONS = 'SELECT partition, position FROM notifications.cursors WHERE partition = ANY($1::int[])';

/**
 * Moves the cursors that stand where the reading began, all of them locked in the same order by everybody; gives those that
 * moved. $1: partitions, $2: where from, $3: where to.
 */
export const MOVE = `
  WITH locked AS MATERIALIZED (
    SELECT partition, position FROM notifications.cursors WHERE partition = ANY($1::int[])
    ORDER BY partition FOR UPDATE
  )
  UPDATE notifications.cursors AS c SET position = r.upto, updated_at = now()
  FROM unnest($1::int[], $2::bigint[], $3::bigint[]) AS r(partition, since, upto)
  JOIN locked USING (partition)
  WHERE c.partition = r.partition AND locked.position = r.since
  RETURNING c.partition`;

/** $1: JSON array of executions. */
export const KEEP_EXECUTIONS = `
  INSERT INTO notifications.executions
    (execution_id, tenant_id, trace_id, config_id, config_name, user_id, callback_url)
  SELECT execution_id, tenant_id, trace_id, config_id, config_name, user_id, callback_url
  FROM jsonb_to_recordset($1::jsonb) AS r(execution_id text, tenant_id text, trace_id text, config_id text,
    config_name text, user_id text, callback_url text)
  ON CONFLICT (execution_id) DO NOTHING`;

/** Notes whether executions have ended and gives what is known of them. $1: ids that have ended; $2: those that run (again). */
export const EXECUTIONS = `
  WITH noted AS (
    UPDATE notifications.executions
    SET ended_at = CASE WHEN ended_at IS NULL THEN now() END
    WHERE (execution_id = ANY($1::text[]) AND ended_at IS NULL)
      OR (execution_id = ANY($2::text[]) AND ended_at IS NOT NULL)
  )
  SELECT execution_id, tenant_id, trace_id, config_id, config_name, user_id, callback_url, callback_url_gone
  FROM notifications.executions WHERE execution_id = ANY($1::text[] || $2::text[])`;

/** $1: execution ids, $2: config ids. */
export const CALLBACKS = `
  SELECT id, tenant_id, config_id, execution_id, events, channel, fallback FROM notifications.callbacks
  WHERE enabled AND (execution_id = ANY($1::text[]) OR config_id = ANY($2::text[])) ORDER BY id`;

/** $1: JSON array of {execution_id, version, event}. */
export const KEEP_EVENTS = `
  INSERT INTO notifications.events (execution_id, version, event)
  SELECT execution_id, version, event FROM json_to_recordset($1::json) AS r(execution_id text, version int, event json)
  ON CONFLICT DO NOTHING`;

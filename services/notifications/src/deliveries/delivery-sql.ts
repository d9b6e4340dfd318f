/** Locks orders, always in the same order. $1: order keys. */
export const LOCK_ORDER = `
  SELECT pg_advisory_xact_lock(lock) FROM (
    SELECT DISTINCT hashtextextended(key, 7) AS lock FROM unnest($1::text[]) AS key ORDER BY 1
  ) AS locks`;

/** $1: JSON array of rows. Gives the ids of the new ones. */
export const INSERT = `
  INSERT INTO notifications.orchestration_callbacks
    (id, execution_id, callback_type, callback_url, callback_method, callback_headers, callback_body_template,
     max_retries, tenant_id, callback_id, callback_key, event_type, event_version, position, channel, channel_settings,
     fallback, fallback_at, destination, order_key, give_up_at)
  SELECT id, execution_id, callback_type, callback_url, callback_method, callback_headers, callback_body_template,
    max_retries, tenant_id, callback_id, callback_key, event_type, event_version, position, channel, channel_settings,
    fallback, now() + fallback_after_ms * interval '1 ms', destination, order_key,
    now() + give_up_after_ms * interval '1 ms'
  FROM jsonb_to_recordset($1::jsonb) AS r(id uuid, execution_id text, callback_type text, callback_url text,
    callback_method text, callback_headers jsonb, callback_body_template text, max_retries int, tenant_id text,
    callback_id uuid, callback_key text, event_type text, event_version int, position bigint, channel int,
    channel_settings jsonb, fallback jsonb, fallback_after_ms double precision, destination text, order_key text,
    give_up_after_ms double precision)
  ON CONFLICT (execution_id, event_version, callback_key, channel) DO NOTHING
  RETURNING id`;

/** Schedules the first open delivery of each order that has none scheduled. $1: order keys, locked. */
export const PROMOTE = `
  UPDATE notifications.orchestration_callbacks AS c SET next_attempt_at = now()
  FROM unnest($1::text[]) AS key
  CROSS JOIN LATERAL (
    SELECT o.id FROM notifications.orchestration_callbacks AS o
    WHERE o.order_key = key AND o.open ORDER BY o.position, o.id LIMIT 1
  ) AS head
  WHERE c.id = head.id AND c.next_attempt_at IS NULL AND NOT EXISTS (
    SELECT FROM notifications.orchestration_callbacks AS s WHERE s.order_key = key AND s.next_attempt_at IS NOT NULL
  )`;

/**
 * $1: destinations. A row that the sweep may remove is written, not only locked, so that the sweep looks at it again.
 */
export const USE_DESTINATIONS = `
  INSERT INTO notifications.destinations (destination)
  SELECT destination FROM unnest($1::text[]) AS destination ORDER BY destination
  ON CONFLICT (destination) DO UPDATE SET used_at = now() WHERE destinations.used_at < now() - interval '1 hour'`;

/**
 * Takes due deliveries: of each destination as many as it has room for, one when it is tried again after a pause.
 * $1: how many in all, $2 and $3: destinations and how many run here, $4: how many may, $5: milliseconds of the lease.
 */
export const CLAIM = `
  WITH places AS (
    SELECT d.destination, d.open_until IS NOT NULL AS probe,
      CASE WHEN d.open_until IS NOT NULL THEN least(1, $4::int - coalesce(b.running, 0))
           ELSE $4::int - coalesce(b.running, 0) END AS room
    FROM notifications.destinations AS d
    LEFT JOIN unnest($2::text[], $3::int[]) AS b(destination, running) USING (destination)
    WHERE d.open_until IS NULL OR d.open_until <= now()
  ), due AS (
    SELECT p.destination, p.probe, c.id FROM (SELECT * FROM places WHERE room > 0 ORDER BY random()) AS p
    CROSS JOIN LATERAL (
      SELECT o.id FROM notifications.orchestration_callbacks AS o
      WHERE o.destination = p.destination AND o.next_attempt_at <= now()
      ORDER BY o.next_attempt_at LIMIT p.room FOR UPDATE SKIP LOCKED
    ) AS c
    LIMIT $1
  ), probing AS (
    UPDATE notifications.destinations AS d SET open_until = now() + $5::double precision * interval '1 ms'
    FROM (SELECT DISTINCT destination FROM due WHERE probe) AS p WHERE d.destination = p.destination
  ), claimed AS (
    UPDATE notifications.orchestration_callbacks AS c
    SET attempts = c.attempts + 1,
        retry_count = c.attempts - c.attempts_before,
        last_retry_at = CASE WHEN c.attempts > c.attempts_before THEN now() ELSE c.last_retry_at END,
        next_attempt_at = now() + $5::double precision * interval '1 ms'
    FROM due WHERE c.id = due.id
    RETURNING c.*
  ), interrupted AS (
    UPDATE notifications.callback_attempts AS a SET outcome = 'interrupted'
    FROM claimed AS c WHERE a.delivery_id = c.id AND a.outcome = 'running'
  ), begun AS (
    INSERT INTO notifications.callback_attempts (delivery_id, attempt) SELECT id, attempts FROM claimed
  )
  SELECT c.id, c.execution_id, c.tenant_id, c.callback_id, c.callback_type, c.event_type, c.destination, c.order_key,
    c.channel_settings, c.attempts, e.event AS message
  FROM claimed AS c JOIN notifications.events AS e ON e.execution_id = c.execution_id AND e.version = c.event_version
  ORDER BY c.id`;

/** $1: delivery, $2: attempt, $3: milliseconds, $4: outcome, $5: status, $6: error. */
export const FINISH_ATTEMPT = `
  UPDATE notifications.callback_attempts SET duration_ms = $3, outcome = $4, response_status = $5, error = $6
  WHERE delivery_id = $1 AND attempt = $2`;

/**
 * $1: delivery, $2: attempt, $3: sent or delivered, $4: whether its user is still to acknowledge it, $5: status,
 * $6: body. A user may have acknowledged it before this is written.
 */
export const SUCCEED = `
  UPDATE notifications.orchestration_callbacks
  SET status = CASE WHEN status = 'delivered' THEN status ELSE $3 END, open = false, next_attempt_at = NULL,
      sent_at = coalesce(sent_at, now()), error = NULL, response_status = $5, response_body = $6,
      completed_at = CASE WHEN $4 THEN completed_at ELSE now() END,
      fallback_at = CASE WHEN $4 THEN fallback_at END
  WHERE id = $1 AND attempts = $2 AND open`;

/**
 * $1: delivery, $2: attempt, $3: whether it may be tried again, $4: error, $5: status, $6: body,
 * $7: milliseconds to wait, by the number of retries made.
 */
export const FAIL = `
  UPDATE notifications.orchestration_callbacks AS c
  SET open = f.again, error = $4, response_status = $5, response_body = $6,
      status = CASE WHEN f.again THEN 'retrying' ELSE 'failed' END,
      next_attempt_at = CASE WHEN f.again
        THEN now() + ($7::double precision[])[least(c.retry_count, 50) + 1] * interval '1 ms' END,
      completed_at = CASE WHEN f.again THEN NULL ELSE now() END,
      dead_at = CASE WHEN f.again THEN NULL ELSE now() END,
      fallback_at = CASE WHEN NOT f.again AND c.fallback_at IS NOT NULL THEN now() ELSE c.fallback_at END
  FROM (SELECT id, $3::boolean AND retry_count < max_retries AS again
        FROM notifications.orchestration_callbacks WHERE id = $1) AS f
  WHERE c.id = f.id AND c.attempts = $2 AND c.open
  RETURNING c.open`;

/** The circuit breaker. $1: destination, $2: whether it could not be reached, $3: failures that open it, $4: for how long. */
export const SETTLE_DESTINATION = `
  UPDATE notifications.destinations
  SET failures = CASE WHEN $2::boolean THEN failures + 1 ELSE 0 END,
      open_until = CASE WHEN $2::boolean AND failures + 1 >= $3::int
        THEN now() + $4::double precision * interval '1 ms' END
  WHERE destination = $1 AND ($2::boolean OR failures > 0 OR open_until IS NOT NULL)`;

/** $1: callback, or null and $2: the execution whose short form it is. */
export const OPEN_OF_CALLBACK = `
  SELECT id, order_key FROM notifications.orchestration_callbacks
  WHERE open AND (callback_id = $1::uuid OR ($1::uuid IS NULL AND callback_id IS NULL AND execution_id = $2::text))
  LIMIT 500`;

/** $1: deliveries, $2: why, $3: whether they become dead letters. */
export const CLOSE = `
  UPDATE notifications.orchestration_callbacks
  SET open = false, status = 'failed', error = coalesce(error || '; ', '') || $2::text, next_attempt_at = NULL,
      completed_at = now(), dead_at = CASE WHEN $3::boolean THEN now() END,
      fallback_at = CASE WHEN $3::boolean AND fallback_at IS NOT NULL THEN now() END
  WHERE id = ANY($1::uuid[]) AND open`;

/** $1: tenant, $2: delivery. */
export const REDRIVABLE = `
  SELECT d.order_key, d.destination, d.dead_at IS NOT NULL AS dead,
    CASE WHEN d.callback_id IS NULL THEN true ELSE coalesce(c.enabled, false) END AS usable
  FROM notifications.orchestration_callbacks AS d
  LEFT JOIN notifications.callbacks AS c ON c.id = d.callback_id
  WHERE d.tenant_id = $1 AND d.id = $2`;

/** $1: tenant, $2: delivery, $3: milliseconds that it has. */
export const REDRIVE = `
  UPDATE notifications.orchestration_callbacks
  SET open = true, status = 'pending', dead_at = NULL, completed_at = NULL, attempts_before = attempts, retry_count = 0,
      next_attempt_at = NULL, give_up_at = now() + $3::double precision * interval '1 ms'
  WHERE tenant_id = $1 AND id = $2 AND dead_at IS NOT NULL AND NOT open`;

/** Takes those whose time for an acknowledgement is over, and the user of their execution. */
export const TAKE_FALLBACKS = `
  UPDATE notifications.orchestration_callbacks AS c SET fallback_at = NULL
  FROM (
    SELECT d.id, coalesce(x.user_id, '') AS user_id FROM notifications.orchestration_callbacks AS d
    LEFT JOIN notifications.executions AS x USING (execution_id)
    WHERE d.fallback_at <= now() ORDER BY d.fallback_at LIMIT 100 FOR UPDATE OF d SKIP LOCKED
  ) AS due
  WHERE c.id = due.id
  RETURNING c.execution_id, c.tenant_id, c.callback_id, c.event_type, c.event_version, c.position, c.channel, c.fallback,
    due.user_id`;

export const TOO_OLD = `
  SELECT id, order_key FROM notifications.orchestration_callbacks
  WHERE open AND give_up_at <= now() ORDER BY give_up_at LIMIT 500`;

export const SHORT_FORM_GONE = 'UPDATE notifications.executions SET callback_url_gone = true WHERE execution_id = $1';

export const DISABLE_CALLBACK = `
  UPDATE notifications.callbacks SET enabled = false, disabled_reason = $2, updated_at = now() WHERE id = $1 AND enabled`;

/** Each removes a bounded number of old rows. $1: milliseconds that things are kept. */
export const SWEEPS = [
  `DELETE FROM notifications.orchestration_callbacks WHERE id IN (
     SELECT id FROM notifications.orchestration_callbacks
     WHERE NOT open AND fallback_at IS NULL AND created_at < now() - $1::double precision * interval '1 ms' LIMIT 1000)`,
  `DELETE FROM notifications.inbox WHERE id IN (
     SELECT id FROM notifications.inbox
     WHERE created_at < now() - $1::double precision * interval '1 ms' LIMIT 1000)`,
  `DELETE FROM notifications.events AS e USING (
     SELECT execution_id, version FROM notifications.events AS old
     WHERE created_at < now() - $1::double precision * interval '1 ms' AND NOT EXISTS (
       SELECT FROM notifications.orchestration_callbacks AS c
       WHERE c.execution_id = old.execution_id AND c.event_version = old.version) LIMIT 1000) AS gone
   WHERE e.execution_id = gone.execution_id AND e.version = gone.version`,
  `DELETE FROM notifications.executions WHERE execution_id IN (
     SELECT execution_id FROM notifications.executions AS x
     WHERE ended_at < now() - $1::double precision * interval '1 ms' AND NOT EXISTS (
       SELECT FROM notifications.orchestration_callbacks AS c WHERE c.execution_id = x.execution_id) LIMIT 1000)`,
  `DELETE FROM notifications.callbacks WHERE id IN (
     SELECT c.id FROM notifications.callbacks AS c JOIN notifications.executions AS x USING (execution_id)
     WHERE x.ended_at < now() - $1::double precision * interval '1 ms' LIMIT 1000)`,
  `DELETE FROM notifications.destinations AS d
   WHERE used_at < now() - interval '1 day' + 0 * $1::double precision * interval '1 ms' AND NOT EXISTS (
     SELECT FROM notifications.orchestration_callbacks AS c
     WHERE c.destination = d.destination AND c.next_attempt_at IS NOT NULL)`,
];

/** Locks orders, always in the same sequence. $1: order keys. */
export const LOCK_ORDER = `
  SELECT pg_advisory_xact_lock(lock) FROM (
    SELECT DISTINCT hashtextextended(key, 7) AS lock FROM unnest($1::text[]) AS key ORDER BY 1
  ) AS locks`;

/**
 * Adds deliveries. Those with an `inbox_user` whose order has no open delivery also go into the inbox; they are
 * finished then, with one attempt. Returns the new ones. json and not jsonb, because the content is passed on
 * unchanged. $1: JSON array of rows, with their orders locked.
 */
export const INSERT = `
  WITH r AS (
    SELECT r.*, inbox_user IS NOT NULL AND NOT EXISTS (
      SELECT FROM notifications.orchestration_callbacks AS o WHERE o.order_key = r.order_key AND o.open
    ) AND r.position < coalesce(min(r.position) FILTER (WHERE inbox_user IS NULL) OVER (PARTITION BY r.order_key),
      9223372036854775807) AS at_once
    FROM json_to_recordset($1::json) AS r(id uuid, execution_id text, callback_type text, callback_url text,
      callback_method text, callback_headers jsonb, callback_body_template text, max_retries int, tenant_id text,
      callback_id uuid, callback_key text, event_type text, event_version int, position bigint, channel int,
      channel_settings jsonb, fallback jsonb, fallback_after_ms double precision, destination text, order_key text,
      give_up_after_ms double precision, inbox_user text, content json)
  ), added AS (
    INSERT INTO notifications.orchestration_callbacks
      (id, execution_id, callback_type, callback_url, callback_method, callback_headers, callback_body_template,
       max_retries, tenant_id, callback_id, callback_key, event_type, event_version, position, channel,
       channel_settings, fallback, fallback_at, destination, order_key, give_up_at, open, status, attempts, sent_at)
    SELECT id, execution_id, callback_type, callback_url, callback_method, callback_headers, callback_body_template,
      max_retries, tenant_id, callback_id, callback_key, event_type, event_version, position, channel,
      channel_settings, fallback, now() + fallback_after_ms * interval '1 ms', destination, order_key,
      now() + give_up_after_ms * interval '1 ms', NOT at_once, CASE WHEN at_once THEN 'sent' ELSE 'pending' END,
      CASE WHEN at_once THEN 1 ELSE 0 END, CASE WHEN at_once THEN now() END
    FROM r
    ON CONFLICT (execution_id, event_version, callback_key, channel) DO NOTHING
    RETURNING id, open, created_at
  ), put AS (
    INSERT INTO notifications.inbox (id, tenant_id, user_id, execution_id, event_type, content)
    SELECT id, tenant_id, inbox_user, execution_id, event_type, content FROM added JOIN r USING (id) WHERE NOT open
  ), attempted AS (
    INSERT INTO notifications.callback_attempts (delivery_id, attempt, duration_ms, outcome)
    SELECT id, 1, 0, 'succeeded' FROM added WHERE NOT open
  )
  SELECT id, open, created_at FROM added`;

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
 * $1: destinations. A row that the sweep may remove is written and not only locked, so that the sweep checks it again.
 */
export const USE_DESTINATIONS = `
  INSERT INTO notifications.destinations (destination)
  SELECT destination FROM unnest($1::text[]) AS destination ORDER BY destination
  ON CONFLICT (destination) DO UPDATE SET used_at = now() WHERE destinations.used_at < now() - interval '1 hour'`;

/**
 * Takes due deliveries, as many for each destination as it has free places, or one when it is tried again after a
 * pause. $1: how many in all. $2 and $3: destinations and how many attempts run here. $4: how many may run for each.
 * $5: milliseconds of the lease. $6 and $7: tenants and how many of their attempts run here.
 *
 * A tenant may have four times as many places as are still free. So a single tenant gets most of them, and there is
 * always room for another one. The inbox is our own database and has no limit.
 */
export const CLAIM = `
  WITH places AS (
    SELECT d.destination, d.open_until IS NOT NULL AS probe,
      CASE WHEN d.destination = 'websocket' THEN $1::int
           WHEN d.open_until IS NOT NULL THEN least(1, $4::int - coalesce(b.running, 0))
           ELSE $4::int - coalesce(b.running, 0) END AS room
    FROM notifications.destinations AS d
    LEFT JOIN unnest($2::text[], $3::int[]) AS b(destination, running) USING (destination)
    WHERE d.open_until IS NULL OR d.open_until <= now()
  ), tenants AS (
    SELECT tenant_id, greatest(0, ceil((4 * $1::int - running) / 5.0)) AS share
    FROM unnest($6::text[], $7::int[]) AS b(tenant_id, running)
  ), candidates AS (
    SELECT p.destination, p.probe, c.* FROM (SELECT * FROM places WHERE room > 0 ORDER BY random()) AS p
    CROSS JOIN LATERAL (
      SELECT o.id, o.tenant_id, o.next_attempt_at FROM notifications.orchestration_callbacks AS o
      WHERE o.destination = p.destination AND o.next_attempt_at <= now()
        AND o.tenant_id <> ALL (ARRAY(SELECT tenant_id FROM tenants WHERE share = 0))
      ORDER BY o.next_attempt_at LIMIT p.room FOR UPDATE SKIP LOCKED
    ) AS c
    LIMIT 4 * $1::int
  ), due AS (
    SELECT r.destination, r.probe, r.id, r.next_attempt_at
    FROM (
      SELECT c.*, row_number() OVER (PARTITION BY c.tenant_id ORDER BY c.next_attempt_at) AS turn FROM candidates AS c
    ) AS r LEFT JOIN tenants AS t USING (tenant_id)
    WHERE r.turn <= coalesce(t.share, ceil(4 * $1::int / 5.0))
    ORDER BY r.turn LIMIT $1::int
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
    RETURNING c.*, due.next_attempt_at AS due_at
  ), interrupted AS (
    UPDATE notifications.callback_attempts AS a SET outcome = 'interrupted'
    FROM claimed AS c WHERE a.delivery_id = c.id AND a.outcome = 'running'
  ), begun AS (
    INSERT INTO notifications.callback_attempts (delivery_id, attempt) SELECT id, attempts FROM claimed
  )
  SELECT c.id, c.execution_id, c.tenant_id, c.callback_id, c.callback_type, c.event_type, c.destination, c.order_key,
    c.channel, c.channel_settings, c.attempts, c.retry_count, e.event AS message,
    (extract(epoch FROM p.started_at) * 1000 + p.duration_ms)::double precision AS failed_at,
    (extract(epoch FROM c.due_at) * 1000)::double precision AS due_at
  FROM claimed AS c JOIN notifications.events AS e ON e.execution_id = c.execution_id AND e.version = c.event_version
  LEFT JOIN notifications.callback_attempts AS p
    ON c.retry_count > 0 AND p.delivery_id = c.id AND p.attempt = c.attempts - 1
  ORDER BY c.id`;

/**
 * Records attempts and the new states of their deliveries. Rows are locked in order, as acknowledging does. A delivery
 * that another process has claimed since stays unchanged and is not in the answer. A user may have acknowledged a
 * notification before this statement. $1: JSON array; `waits`: the user must still acknowledge it.
 */
export const FINISH = `
  WITH r AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS r(id uuid, attempt int, ms double precision, result text,
      waits boolean, response_status int, response_body text, error text, retry_after_ms double precision)
  ), locked AS MATERIALIZED (
    SELECT id FROM notifications.orchestration_callbacks WHERE id IN (SELECT id FROM r) ORDER BY id FOR UPDATE
  ), recorded AS (
    UPDATE notifications.callback_attempts AS a
    SET duration_ms = r.ms, response_status = r.response_status, error = r.error,
        outcome = CASE r.result WHEN 'failed' THEN 'failed' WHEN 'refused' THEN 'refused' ELSE 'succeeded' END
    FROM r WHERE a.delivery_id = r.id AND a.attempt = r.attempt
  ), judged AS (
    SELECT r.*, r.result IN ('delivered', 'sent') AS ok, r.result = 'failed' AND c.retry_count < c.max_retries AS again
    FROM r JOIN locked USING (id) JOIN notifications.orchestration_callbacks AS c USING (id)
  )
  UPDATE notifications.orchestration_callbacks AS c
  SET open = j.again, response_status = j.response_status, response_body = j.response_body, error = j.error,
      status = CASE WHEN j.again THEN 'retrying' WHEN NOT j.ok THEN 'failed'
                    WHEN c.status = 'delivered' THEN c.status ELSE j.result END,
      next_attempt_at = CASE WHEN j.again THEN now() + j.retry_after_ms * interval '1 ms' END,
      sent_at = CASE WHEN j.ok THEN coalesce(c.sent_at, now()) ELSE c.sent_at END,
      completed_at = CASE WHEN j.again THEN NULL WHEN j.waits THEN c.completed_at ELSE now() END,
      dead_at = CASE WHEN NOT j.ok AND NOT j.again THEN now() END,
      fallback_at = CASE WHEN j.again OR j.waits OR c.fallback_at IS NULL THEN c.fallback_at WHEN j.ok THEN NULL
                         ELSE now() END
  FROM judged AS j
  WHERE c.id = j.id AND c.attempts = j.attempt AND c.open
  RETURNING c.id, c.open, c.order_key`;

/**
 * Updates the circuit breakers that change, locked in order. $1: destinations. $2: failures of each, 0 when it was
 * reached. $3: failures in a row that open a breaker. $4: milliseconds that it stays open.
 */
export const SETTLE_DESTINATIONS = `
  WITH changed AS (
    SELECT d.destination, s.failed FROM notifications.destinations AS d
    JOIN unnest($1::text[], $2::int[]) AS s(destination, failed) USING (destination)
    WHERE s.failed > 0 OR d.failures > 0 OR d.open_until IS NOT NULL
    ORDER BY d.destination FOR UPDATE OF d
  )
  UPDATE notifications.destinations AS d
  SET failures = CASE WHEN c.failed > 0 THEN d.failures + c.failed ELSE 0 END,
      open_until = CASE WHEN c.failed > 0 AND d.failures + c.failed >= $3::int
        THEN now() + $4::double precision * interval '1 ms' END
  FROM changed AS c WHERE d.destination = c.destination`;

/** $1: callback, or null and $2: the execution of the short form. */
export const OPEN_OF_CALLBACK = `
  SELECT id, order_key FROM notifications.orchestration_callbacks
  WHERE open AND (callback_id = $1::uuid OR ($1::uuid IS NULL AND callback_id IS NULL AND execution_id = $2::text))
  LIMIT 500`;

/** $1: deliveries, $2: reason, $3: whether they become dead letters. */
export const CLOSE = `
  UPDATE notifications.orchestration_callbacks
  SET open = false, status = 'failed', error = coalesce(error || '; ', '') || $2::text, next_attempt_at = NULL,
      completed_at = now(), dead_at = CASE WHEN $3::boolean THEN now() END,
      fallback_at = CASE WHEN $3::boolean AND fallback_at IS NOT NULL THEN now() END
  WHERE id = ANY($1::uuid[]) AND open`;

/** Makes dead letters of a callback's open deliveries in a locked order. $1: order key, $2: callback, $3: reason. */
export const CLOSE_ORDER = `
  UPDATE notifications.orchestration_callbacks
  SET open = false, status = 'failed', error = $3, next_attempt_at = NULL, completed_at = now(), dead_at = now(),
      fallback_at = CASE WHEN fallback_at IS NOT NULL THEN now() END
  WHERE order_key = $1 AND callback_id IS NOT DISTINCT FROM $2::uuid AND open`;

/** $1: tenant, $2: delivery. */
export const REDRIVABLE = `
  SELECT d.order_key, d.destination, d.dead_at IS NOT NULL AS dead,
    CASE WHEN d.callback_id IS NULL THEN true ELSE coalesce(c.enabled, false) END AS usable
  FROM notifications.orchestration_callbacks AS d
  LEFT JOIN notifications.callbacks AS c ON c.id = d.callback_id
  WHERE d.tenant_id = $1 AND d.id = $2`;

/** $1: tenant, $2: delivery, $3: milliseconds until it is given up. */
export const REDRIVE = `
  UPDATE notifications.orchestration_callbacks
  SET open = true, status = 'pending', dead_at = NULL, completed_at = NULL, attempts_before = attempts, retry_count = 0,
      next_attempt_at = NULL, give_up_at = now() + $3::double precision * interval '1 ms'
  WHERE tenant_id = $1 AND id = $2 AND dead_at IS NOT NULL AND NOT open`;

/** Takes deliveries that were not acknowledged in time, with the user of their execution. */
export const TAKE_FALLBACKS = `
  UPDATE notifications.orchestration_callbacks AS c SET fallback_at = NULL
  FROM (
    SELECT d.id, coalesce(x.user_id, '') AS user_id, e.event AS message
    FROM notifications.orchestration_callbacks AS d
    JOIN notifications.events AS e ON e.execution_id = d.execution_id AND e.version = d.event_version
    LEFT JOIN notifications.executions AS x ON x.execution_id = d.execution_id
    WHERE d.fallback_at <= now() ORDER BY d.fallback_at LIMIT 100 FOR UPDATE OF d SKIP LOCKED
  ) AS due
  WHERE c.id = due.id
  RETURNING c.execution_id, c.tenant_id, c.callback_id, c.event_type, c.event_version, c.position, c.channel, c.fallback,
    due.user_id, due.message`;

/** Milliseconds until the next fallback is due. Negative when one is due already. */
export const NEXT_FALLBACK = `
  SELECT (extract(epoch FROM min(fallback_at) - clock_timestamp()) * 1000)::double precision AS ms
  FROM notifications.orchestration_callbacks WHERE fallback_at IS NOT NULL`;

export const TOO_OLD = `
  SELECT id, order_key FROM notifications.orchestration_callbacks
  WHERE open AND give_up_at <= now() ORDER BY give_up_at LIMIT 500`;

export const SHORT_FORM_GONE = 'UPDATE notifications.executions SET callback_url_gone = true WHERE execution_id = $1';

export const DISABLE_CALLBACK = `
  UPDATE notifications.callbacks SET enabled = false, disabled_reason = $2, updated_at = now() WHERE id = $1 AND enabled`;

/** Each statement removes a limited number of old rows. $1: milliseconds that rows are kept. */
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
  // Before executions, because their rows say when they ended.
  `DELETE FROM notifications.callbacks WHERE id IN (
     SELECT c.id FROM notifications.callbacks AS c JOIN notifications.executions AS x USING (execution_id)
     WHERE x.ended_at < now() - $1::double precision * interval '1 ms' LIMIT 1000)`,
  `DELETE FROM notifications.executions WHERE execution_id IN (
     SELECT execution_id FROM notifications.executions AS x
     WHERE ended_at < now() - $1::double precision * interval '1 ms' AND NOT EXISTS (
       SELECT FROM notifications.orchestration_callbacks AS c WHERE c.execution_id = x.execution_id) AND NOT EXISTS (
       SELECT FROM notifications.callbacks AS c WHERE c.execution_id = x.execution_id) LIMIT 1000)`,
  `DELETE FROM notifications.destinations AS d
   WHERE used_at < now() - interval '1 day' + 0 * $1::double precision * interval '1 ms' AND NOT EXISTS (
     SELECT FROM notifications.orchestration_callbacks AS c
     WHERE c.destination = d.destination AND c.next_attempt_at IS NOT NULL)`,
];

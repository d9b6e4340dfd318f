/**
 * Fences and appends for all partitions of a lane in one statement. A partition whose epoch has moved on drops out: its
 * row is not returned and nothing of it is written. Texts travel joined by line breaks, which JSON text never holds:
 * that needs no escaping on either side.
 *
 * $1–$4 partition, epoch, events appended, published position; $5–$12 events; $13 rows started; $14 rows changed.
 */
export const COMMIT = `
WITH wanted AS (
  SELECT * FROM unnest($1::int[], $2::bigint[], $3::int[], $4::bigint[]) AS w(id, epoch, appended, published)
), held AS (
  SELECT p.id, w.appended, w.published
  FROM execution.partitions p JOIN wanted w ON w.id = p.id
  WHERE p.epoch = w.epoch
  ORDER BY p.id
  FOR UPDATE OF p
), moved AS (
  UPDATE execution.partitions p
  SET last_position = p.last_position + h.appended,
      published_position = greatest(p.published_position, h.published)
  FROM held h
  WHERE p.id = h.id
  RETURNING p.id, p.last_position - h.appended AS base
), appended AS (
  INSERT INTO execution.events (partition, position, execution_id, version, type, command_id, at, data)
  SELECT e.partition, m.base + e.rank, e.execution_id, e.version, e.type, e.command_id, e.at, e.data::jsonb
  FROM unnest($5::int[], $6::int[], $7::uuid[], $8::int[], string_to_array($9, E'\\n'), string_to_array($10, E'\\n'),
    $11::bigint[], string_to_array($12, E'\\n'))
    AS e(partition, rank, execution_id, version, type, command_id, at, data)
  JOIN moved m ON m.id = e.partition
), started AS (
  INSERT INTO execution.orchestration_executions (
    id, trace_id, config_id, config_name, status, input, output, user_id, session_id, tenant_id, started_at,
    completed_at, paused_at, created_at, metadata, total_latency_ms, estimated_cost, created_by, callback_url,
    config_version, partition, version, wake_at, token_count)
  SELECT r.id, r.trace_id, r.config_id, r.config_name, r.status, r.input, r.output, r.user_id, r.session_id,
    r.tenant_id, r.started_at, r.completed_at, r.paused_at, r.created_at, r.metadata, r.total_latency_ms,
    r.estimated_cost, r.created_by, r.callback_url, r.config_version, r.partition, r.version, r.wake_at,
    r.token_count
  FROM jsonb_populate_recordset(NULL::execution.orchestration_executions, $13::jsonb) r
  JOIN moved m ON m.id = r.partition
), changed AS (
  UPDATE execution.orchestration_executions x
  SET status = r.status, output = r.output, started_at = r.started_at, completed_at = r.completed_at,
    paused_at = r.paused_at, total_latency_ms = r.total_latency_ms, estimated_cost = r.estimated_cost,
    version = r.version, wake_at = r.wake_at, token_count = r.token_count
  FROM jsonb_populate_recordset(NULL::execution.orchestration_executions, $14::jsonb) r
  JOIN moved m ON m.id = r.partition
  WHERE x.id = r.id
)
SELECT id, base FROM moved`;

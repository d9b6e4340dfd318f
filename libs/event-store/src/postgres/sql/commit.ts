/** What a commit holds besides events; what it does not hold is left out of its statement, for it costs time all the same. */
export interface CommitShape {
  /** It fences one partition: nothing else of it can be locked in another order. */
  readonly single: boolean;
  readonly starts: boolean;
  readonly changes: boolean;
}

/**
 * Fences and appends for all partitions of a lane in one statement. A partition whose epoch has moved on drops out: its
 * row is not returned and nothing of it is written. Texts travel joined by line breaks, which JSON text never holds:
 * that needs no escaping on either side.
 *
 * $1–$4 partition, epoch, events appended, published position (arrays unless `single`); $5–$12 events; then, where there
 * are any, rows started and rows changed.
 */
function commitText({ single, starts, changes }: CommitShape): string {
  const startedRows = '$13';
  const changedRows = starts ? '$14' : '$13';
  return `WITH ${single ? MOVE_ONE : MOVE}, appended AS (
  INSERT INTO execution.events (partition, position, execution_id, version, type, command_id, at, data)
  SELECT e.partition, m.base + e.rank, e.execution_id, e.version, e.type, e.command_id, e.at, e.data::jsonb
  FROM unnest($5::int[], $6::int[], $7::uuid[], $8::int[], string_to_array($9, E'\\n'), string_to_array($10, E'\\n'),
    $11::bigint[], string_to_array($12, E'\\n'))
    AS e(partition, rank, execution_id, version, type, command_id, at, data)
  JOIN moved m ON m.id = e.partition
)${starts ? insertStarted(startedRows) : ''}${changes ? updateChanged(changedRows) : ''}
SELECT id, base FROM moved`;
}

const MOVE = `wanted AS (
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
)`;

const MOVE_ONE = `moved AS (
  UPDATE execution.partitions
  SET last_position = last_position + $3::int, published_position = greatest(published_position, $4::bigint)
  WHERE id = $1::int AND epoch = $2::bigint
  RETURNING id, last_position - $3::int AS base
)`;

const insertStarted = (rows: string): string => `, started AS (
  INSERT INTO execution.orchestration_executions (
    id, trace_id, config_id, config_name, status, input, output, user_id, session_id, tenant_id, started_at,
    completed_at, paused_at, created_at, metadata, total_latency_ms, estimated_cost, created_by, callback_url,
    config_version, partition, version, wake_at, token_count)
  SELECT r.id, r.trace_id, r.config_id, r.config_name, r.status, r.input, r.output, r.user_id, r.session_id,
    r.tenant_id, r.started_at, r.completed_at, r.paused_at, r.created_at, r.metadata, r.total_latency_ms,
    r.estimated_cost, r.created_by, r.callback_url, r.config_version, r.partition, r.version, r.wake_at,
    r.token_count
  FROM jsonb_populate_recordset(NULL::execution.orchestration_executions, ${rows}::jsonb) r
  JOIN moved m ON m.id = r.partition
)`;

const updateChanged = (rows: string): string => `, changed AS (
  UPDATE execution.orchestration_executions x
  SET status = r.status, output = r.output, started_at = r.started_at, completed_at = r.completed_at,
    paused_at = r.paused_at, total_latency_ms = r.total_latency_ms, estimated_cost = r.estimated_cost,
    version = r.version, wake_at = r.wake_at, token_count = r.token_count
  FROM jsonb_populate_recordset(NULL::execution.orchestration_executions, ${rows}::jsonb) r
  JOIN moved m ON m.id = r.partition
  WHERE x.id = r.id
)`;

const BOTH = [false, true];

/** By shape; a lane's connection prepares each that it meets. */
const COMMITS = new Map(
  BOTH.flatMap((single) =>
    BOTH.flatMap((starts) =>
      BOTH.map((changes) => {
        const shape = { single, starts, changes };
        return [nameOf(shape), { name: nameOf(shape), text: commitText(shape) }] as const;
      }),
    ),
  ),
);

function nameOf({ single, starts, changes }: CommitShape): string {
  return `commit${single ? '-one' : ''}${starts ? '-starts' : ''}${changes ? '-changes' : ''}`;
}

/** The prepared statement of commits of a shape. */
export function commitOf(shape: CommitShape): { readonly name: string; readonly text: string } {
  const found = COMMITS.get(nameOf(shape));
  if (found === undefined) throw new RangeError('no such shape of a commit');
  return found;
}

/** $1 ids of streams, $2 reducer version. */
export const READ_SNAPSHOTS = `
SELECT execution_id, version, reducer_version, config_id, config_version, state
FROM execution.snapshots WHERE execution_id = ANY($1::uuid[]) AND reducer_version = $2`;

/** The same for a reader that does not want large fields: a snapshot holds all of them. */
export const READ_SMALL_SNAPSHOTS = `${READ_SNAPSHOTS}
  AND pg_column_size(state) <= 128 * 1024 AND octet_length(state::text) <= 512 * 1024`;

/**
 * Stores a state only while the event of its version exists. If the event is gone, the stream was deleted, and no snapshot
 * may appear after that. $1 id of the stream, $2 version, $3 reducer version, $4 config id, $5 config version, $6
 * state as JSON.
 */
export const WRITE_SNAPSHOT = `
INSERT INTO execution.snapshots (execution_id, version, reducer_version, config_id, config_version, state)
SELECT e.execution_id, e.version, $3::int, $4::text, $5::int, $6::jsonb
FROM execution.events e WHERE e.execution_id = $1 AND e.version = $2 FOR KEY SHARE
ON CONFLICT (execution_id) DO UPDATE SET
  version = excluded.version, reducer_version = excluded.reducer_version, config_id = excluded.config_id,
  config_version = excluded.config_version, state = excluded.state, written_at = now()
WHERE snapshots.version < excluded.version OR snapshots.reducer_version <> excluded.reducer_version`;

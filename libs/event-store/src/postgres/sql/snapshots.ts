/** $1 execution ids, $2 reducer version. */
export const READ_SNAPSHOTS = `
SELECT execution_id, version, reducer_version, config_id, config_version, state
FROM execution.snapshots WHERE execution_id = ANY($1::uuid[]) AND reducer_version = $2`;

/** $1 execution id, $2 version, $3 reducer version, $4 config id, $5 config version, $6 state as JSON. */
export const WRITE_SNAPSHOT = `
INSERT INTO execution.snapshots (execution_id, version, reducer_version, config_id, config_version, state)
VALUES ($1, $2, $3, $4, $5, $6::jsonb)
ON CONFLICT (execution_id) DO UPDATE SET
  version = excluded.version, reducer_version = excluded.reducer_version, config_id = excluded.config_id,
  config_version = excluded.config_version, state = excluded.state, written_at = now()
WHERE snapshots.version < excluded.version OR snapshots.reducer_version <> excluded.reducer_version`;

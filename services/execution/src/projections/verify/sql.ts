import { SENT_STEP_RUNS } from '../sql/step-runs.js';

/** One page of all ids in any table. $1 the previous id or null, $2 limit. */
export const IDS_AFTER = `
SELECT id FROM (
  (SELECT execution_id AS id FROM execution.events
    WHERE version = 1 AND type = 'ExecutionStarted' AND ($1::uuid IS NULL OR execution_id > $1::uuid) ORDER BY execution_id LIMIT $2)
  UNION
  (SELECT DISTINCT execution_id FROM execution.events
    WHERE type = 'ExecutionDeleted' AND ($1::uuid IS NULL OR execution_id > $1::uuid) ORDER BY execution_id LIMIT $2)
  UNION
  (SELECT id FROM execution.orchestration_executions
    WHERE $1::uuid IS NULL OR id > $1::uuid ORDER BY id LIMIT $2)
  UNION
  (SELECT DISTINCT execution_id FROM execution.orchestration_step_runs
    WHERE $1::uuid IS NULL OR execution_id > $1::uuid ORDER BY execution_id LIMIT $2)
  UNION
  (SELECT execution_id FROM execution.snapshots
    WHERE config_id <> '' AND ($1::uuid IS NULL OR execution_id > $1::uuid) ORDER BY execution_id LIMIT $2)
) AS found ORDER BY id LIMIT $2`;

/** $1 execution ids. */
export const EVENTS_OF = `
SELECT execution_id, version, type, at, command_id, position, partition, data, encode(link, 'hex') AS link
FROM execution.events WHERE execution_id = ANY($1::uuid[]) ORDER BY execution_id, version`;

/** The last links of removed events. $1 execution ids. */
export const REMOVED_OF = `
SELECT last_of AS id, position, encode(link, 'hex') AS link FROM execution.removed_links WHERE last_of = ANY($1::uuid[])`;

/** $1 execution ids. */
export const SNAPSHOTS_OF = `
SELECT execution_id, version, reducer_version, config_id, config_version, state
FROM execution.snapshots WHERE execution_id = ANY($1::uuid[])`;

/** $1 execution ids. */
export const EXECUTIONS_OF = `
SELECT x.id, to_jsonb(x) AS row FROM execution.orchestration_executions x WHERE x.id = ANY($1::uuid[])`;

/** $1 execution ids. The id of a step run follows from its other fields. */
export const STEP_RUNS_OF = `
SELECT x.execution_id, to_jsonb(x) - 'id' AS row FROM execution.orchestration_step_runs x
WHERE x.execution_id = ANY($1::uuid[]) ORDER BY x.execution_id, x.step_index`;

/** Rows in the types of the tables, so that both sides are converted in the same way. $1 rows as JSON. */
export const AS_EXECUTIONS = `
SELECT r.id, to_jsonb(r) AS row FROM jsonb_populate_recordset(NULL::execution.orchestration_executions, $1::jsonb) r`;

/** Like AS_EXECUTIONS, for step runs: $1–$17, see SENT_STEP_RUNS. */
export const AS_STEP_RUNS = `
SELECT r.execution_id, to_jsonb(r) - 'id' AS row FROM (${SENT_STEP_RUNS}) r
ORDER BY r.execution_id, r.step_index, r.version`;

/** Positions up to which step runs were projected, by partition. */
export const PROJECTED = `
SELECT partition, position FROM execution.projection_cursors WHERE projection = 'step_runs'`;

/** Executions of one tenant. $1 the previous id or null, $2 limit, $3 tenant. */
export const IDS_OF_TENANT = `
SELECT id FROM execution.orchestration_executions
WHERE tenant_id = $3 AND ($1::uuid IS NULL OR id > $1::uuid) ORDER BY id LIMIT $2`;

export const PARTITIONS = `SELECT id FROM execution.partitions ORDER BY id`;

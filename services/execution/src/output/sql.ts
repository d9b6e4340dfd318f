import { OUTPUT_START } from '@batuta/contracts';

/** Where an attempt's output stands, and whose it is: $1 execution, $2 step, $3 attempt. No row: there is no such execution, or it has ended. */
export const PLACE_OF_ATTEMPT = {
  name: 'output-place',
  text: `
SELECT x.tenant_id AS "tenantId", o.seq, o.bytes, o.base, o.runs
FROM execution.orchestration_executions x, LATERAL (
  SELECT coalesce(max(seq), 0)::int AS seq, coalesce(sum(octet_length(body)), 0)::float8 AS bytes,
    coalesce(max(seq) FILTER (WHERE kind = '${OUTPUT_START}'), 0)::int AS base,
    coalesce(array_agg(part_id ORDER BY seq) FILTER (WHERE kind = '${OUTPUT_START}'), '{}') AS runs
  FROM execution.attempt_output WHERE execution_id = x.id AND step_id = $2 AND attempt = $3
) o
WHERE x.id = $1 AND x.wake_at IS NOT NULL`,
};

/**
 * Stores parts, some of which may be stored already. For an execution that has ended it stores nothing, because nobody wants that
 * output, and it would stay when the execution is deleted. Lists of one length: $1 executions, $2 steps, $3 attempts, $4 numbers,
 * $5 times in epoch ms, $6 kinds, $7 texts, $8 ids, $9 names.
 */
export const STORE_PARTS = {
  name: 'output-store',
  text: `
INSERT INTO execution.attempt_output (execution_id, step_id, attempt, seq, at, kind, body, part_id, part_name)
SELECT p.* FROM unnest($1::uuid[], $2::text[], $3::int[], $4::int[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[])
  AS p (execution_id, step_id, attempt, seq, at, kind, body, part_id, part_name)
WHERE EXISTS (SELECT FROM execution.orchestration_executions x WHERE x.id = p.execution_id AND x.wake_at IS NOT NULL)
ON CONFLICT DO NOTHING`,
};

/** Parts after a place. $1 execution, $2 step, $3 and $4 the place, $5 the last attempt, $6 limit. */
export const PARTS_AFTER = `
SELECT attempt, seq, at::float8 AS at, kind, body AS text, part_id AS id, part_name AS name
FROM execution.attempt_output
WHERE execution_id = $1 AND step_id = $2 AND (attempt, seq) > ($3, $4) AND attempt <= $5
ORDER BY attempt, seq LIMIT $6`;

/** Steps that have output, one look into the index each: $1 execution, $2 limit. */
export const STEPS_WITH_OUTPUT = `
WITH RECURSIVE steps(step_id) AS (
  (SELECT step_id FROM execution.attempt_output WHERE execution_id = $1 ORDER BY step_id LIMIT 1)
  UNION ALL
  SELECT (SELECT o.step_id FROM execution.attempt_output o WHERE o.execution_id = $1 AND o.step_id > s.step_id ORDER BY o.step_id LIMIT 1)
  FROM steps s WHERE s.step_id IS NOT NULL
)
SELECT step_id AS "stepId" FROM steps WHERE step_id IS NOT NULL LIMIT $2`;

/** How attempts of a step ended, as the log says: $1 execution, $2 step, $3 from this attempt on, $4 up to this version. */
export const ENDS_OF_ATTEMPTS = `
SELECT type, version, (data->>'attempt')::int AS attempt, data->'failure' AS failure
FROM execution.events
WHERE execution_id = $1 AND version <= $4 AND type IN ('ModelAnswered', 'StepCompleted', 'StepAttemptFailed')
  AND data->>'stepId' = $2 AND (data->>'attempt')::int >= $3
ORDER BY version`;

/**
 * $1 tenant, $2 command, $3 execution, $4 start, $5 starts a second, $6 most unfinished, $7 how long it may take
 * effect, ms.
 */
export const ADMIT = {
  name: 'admit',
  text: `SELECT refusal, retry_ms AS "retryMs", starts_left AS "startsLeft", held
    FROM execution.admit($1, $2, $3, $4, $5, $6, $7)`,
};

/**
 * $1 tenant, $2 gateway, $3 its sockets, $4 the limit of all sockets, $5 after this time without a report a gateway
 * counts as gone, ms.
 */
export const ADMIT_SOCKETS = {
  name: 'admit-sockets',
  text: 'SELECT execution.admit_sockets($1, $2, $3, $4, $5) AS others',
};

/** $1 tenant. Counts the stored size, so compressed data count compressed. */
export const BYTES_OF_EXECUTIONS = `
SELECT (
  SELECT coalesce(sum(pg_column_size(e.data)), 0)
  FROM execution.orchestration_executions x JOIN execution.events e ON e.execution_id = x.id WHERE x.tenant_id = $1
)::float8 + (
  SELECT coalesce(sum(pg_column_size(o.body)), 0)
  FROM execution.orchestration_executions x JOIN execution.attempt_output o ON o.execution_id = x.id WHERE x.tenant_id = $1
)::float8 AS bytes`;

/** $1 tenant, $2 after this time without a report a gateway counts as gone, ms. */
export const USE = `
SELECT
  (SELECT count(*) FROM execution.orchestration_executions
    WHERE tenant_id = $1 AND wake_at IS NOT NULL)::float8 AS unfinished,
  (SELECT count(*) FROM execution.orchestration_executions
    WHERE tenant_id = $1 AND created_at > now() - interval '1 second')::float8 AS starts,
  (SELECT sum(sockets) FROM execution.tenant_sockets
    WHERE tenant_id = $1 AND seen_at > extract(epoch FROM clock_timestamp()) * 1000 - $2)::float8 AS sockets`;

/**
 * Rows of streams that are not executions, with the fields that lists and wake-ups need. Statements run one by one in a
 * transaction.
 */
export const streams: readonly string[] = [
  `CREATE TABLE execution.streams (
    id uuid PRIMARY KEY,
    partition int NOT NULL,
    kind text NOT NULL,
    tenant_id text NOT NULL,
    name text NOT NULL,
    config_id text NOT NULL,
    status text NOT NULL,
    version int NOT NULL,
    wake_at bigint,
    created_at bigint NOT NULL,
    view jsonb NOT NULL
  )`,
  `CREATE INDEX streams_due ON execution.streams (partition, wake_at, id) WHERE wake_at IS NOT NULL`,
  `CREATE INDEX streams_listed ON execution.streams (tenant_id, kind, created_at DESC, id DESC)`,
];

/** Which of a tenant's ended executions are deleted, and when. Statements run one by one in a transaction. */
export const retentionPolicies: readonly string[] = [
  `CREATE TABLE execution.retention_policies (
    tenant_id text NOT NULL,
    name text NOT NULL,
    config_id text,
    statuses text[] NOT NULL DEFAULT '{}',
    older_than_ms bigint CHECK (older_than_ms >= 0),
    keep_newest int CHECK (keep_newest >= 0),
    action text NOT NULL,
    version int NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by text NOT NULL,
    PRIMARY KEY (tenant_id, name),
    CHECK (num_nonnulls(older_than_ms, keep_newest) > 0)
  )`,
];

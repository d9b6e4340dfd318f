/** The engine's tables. Statements run one by one in a transaction. */
export const engineTables: readonly string[] = [
  `CREATE TABLE execution.settings (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    partitions int NOT NULL CHECK (partitions BETWEEN 1 AND 4096)
  )`,
  `CREATE TABLE execution.owners (
    name text PRIMARY KEY,
    incarnation text NOT NULL,
    lease_until timestamptz NOT NULL
  )`,
  // Every commit updates these rows. Free room in each page keeps the updates out of the index.
  `CREATE TABLE execution.partitions (
    id int PRIMARY KEY,
    owner text,
    epoch bigint NOT NULL DEFAULT 0,
    last_position bigint NOT NULL DEFAULT 0,
    published_position bigint NOT NULL DEFAULT 0,
    CHECK (published_position <= last_position)
  ) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)`,
  `CREATE TABLE execution.events (
    partition int NOT NULL,
    version int NOT NULL CHECK (version > 0),
    position bigint NOT NULL,
    at bigint NOT NULL,
    execution_id uuid NOT NULL,
    type text NOT NULL,
    command_id text NOT NULL,
    data jsonb NOT NULL,
    CONSTRAINT events_execution_version PRIMARY KEY (execution_id, version),
    CONSTRAINT events_partition_position UNIQUE (partition, position)
  )`,
  `CREATE TABLE execution.config_versions (
    config_id text NOT NULL,
    version int NOT NULL,
    tenant_id text NOT NULL,
    definition jsonb NOT NULL,
    PRIMARY KEY (config_id, version)
  )`,
  `CREATE TABLE execution.agents (
    tenant_id text NOT NULL,
    name text NOT NULL,
    pool text NOT NULL,
    PRIMARY KEY (tenant_id, name)
  )`,
  `CREATE TABLE execution.orchestration_executions (
    id uuid PRIMARY KEY,
    trace_id text NOT NULL UNIQUE,
    config_id text NOT NULL,
    config_name text NOT NULL,
    status text NOT NULL,
    input jsonb,
    output jsonb,
    user_id text NOT NULL,
    session_id text,
    tenant_id text NOT NULL,
    started_at timestamptz,
    completed_at timestamptz,
    paused_at timestamptz,
    created_at timestamptz NOT NULL,
    metadata jsonb,
    total_latency_ms double precision,
    estimated_cost numeric(10,6) NOT NULL DEFAULT 0,
    created_by text NOT NULL,
    callback_url text,
    config_version int NOT NULL,
    partition int NOT NULL,
    version int NOT NULL,
    wake_at bigint
  )`,
  `CREATE INDEX orchestration_executions_listed
    ON execution.orchestration_executions (tenant_id, created_at DESC, id DESC)`,
  // Unfinished executions are those with a wake-up: every non-terminal state has a deadline.
  `CREATE INDEX orchestration_executions_due
    ON execution.orchestration_executions (partition, wake_at, id) WHERE wake_at IS NOT NULL`,
  `CREATE TABLE execution.orchestration_step_runs (
    id uuid NOT NULL,
    execution_id uuid NOT NULL,
    step_index int NOT NULL,
    step_id text NOT NULL,
    step_name text NOT NULL,
    status text NOT NULL,
    output jsonb,
    output_truncated boolean NOT NULL DEFAULT false,
    error_message text,
    error_trace text,
    dependencies jsonb NOT NULL,
    latency_ms double precision,
    retry_count int NOT NULL DEFAULT 0,
    token_count int NOT NULL DEFAULT 0,
    estimated_cost numeric(10,6) NOT NULL DEFAULT 0,
    started_at timestamptz,
    completed_at timestamptz,
    agent_id text NOT NULL,
    agent_version text,
    version int NOT NULL,
    PRIMARY KEY (execution_id, step_index),
    UNIQUE (execution_id, step_id)
  )`,
  `CREATE TABLE execution.projection_cursors (
    projection text NOT NULL,
    partition int NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (projection, partition)
  )`,
];

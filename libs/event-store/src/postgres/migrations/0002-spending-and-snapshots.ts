/** Tokens beside the cost in lists, and folded states to begin loading from. Statements run one by one in a transaction. */
export const spendingAndSnapshots: readonly string[] = [
  `ALTER TABLE execution.orchestration_executions ADD COLUMN token_count int DEFAULT 0`,
  // Disposable: whatever is missing here, or was made by another version of the fold, is folded from the log instead.
  `CREATE TABLE execution.snapshots (
    execution_id uuid PRIMARY KEY,
    version int NOT NULL CHECK (version > 0),
    reducer_version int NOT NULL,
    config_id text NOT NULL,
    config_version int NOT NULL,
    state jsonb NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now()
  )`,
];

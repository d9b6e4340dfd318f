/**
 * Adds tokens to the lists, and snapshots (folded states from which loading can start). Statements run one by one in a
 * transaction.
 */
export const spendingAndSnapshots: readonly string[] = [
  `ALTER TABLE execution.orchestration_executions ADD COLUMN token_count int DEFAULT 0`,
  // Snapshots may be deleted at any time. A missing snapshot, or one of another version of the fold, is replaced by
  // folding the log.
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

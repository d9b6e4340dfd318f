/**
 * Executions that a projection skipped because it cannot read their events, which a newer version wrote. They are read
 * again when their partition is taken over.
 */
export const unprojectedExecutions: readonly string[] = [
  `CREATE TABLE execution.unprojected_executions (
    execution_id uuid PRIMARY KEY,
    partition int NOT NULL
  )`,
];

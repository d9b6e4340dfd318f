/**
 * Executions that a projection has passed without writing them, because it cannot read them: those of events of a newer version. They are
 * looked at again when a partition is taken.
 */
export const unprojectedExecutions: readonly string[] = [
  `CREATE TABLE execution.unprojected_executions (
    execution_id uuid PRIMARY KEY,
    partition int NOT NULL
  )`,
];

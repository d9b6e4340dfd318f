/**
 * No statement finds a step run by its step id, which a config has once: its index only made every new row dearer.
 * Statements run one by one in a transaction.
 */
export const stepRunIndex: readonly string[] = [
  `ALTER TABLE execution.orchestration_step_runs DROP CONSTRAINT orchestration_step_runs_execution_id_step_id_key`,
];

/**
 * No statement looks up a step run by its step id. The index only made each new row more expensive. Statements run one
 * by one in a transaction.
 */
export const stepRunIndex: readonly string[] = [
  `ALTER TABLE execution.orchestration_step_runs DROP CONSTRAINT orchestration_step_runs_execution_id_step_id_key`,
];

/**
 * Adds the config to the step run of a waiting approval, so that the list's filters have indexes. Run one by one in a
 * transaction.
 */
export const listedApprovals: readonly string[] = [
  `ALTER TABLE execution.orchestration_step_runs
    ADD COLUMN approval_config_id text,
    ADD COLUMN approval_config_name text`,
  `UPDATE execution.orchestration_step_runs s
    SET approval_config_id = e.config_id, approval_config_name = e.config_name
    FROM execution.orchestration_executions e
    WHERE s.approval_requested_at IS NOT NULL AND e.id = s.execution_id`,
];

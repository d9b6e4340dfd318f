/**
 * Columns for the list of step runs that wait for a human; all null in other step runs. The previous version names the
 * columns that it writes, and it cannot fold an execution with approvals. Statements run one by one in a transaction.
 */
export const approvals: readonly string[] = [
  `ALTER TABLE execution.orchestration_step_runs
    ADD COLUMN approval_tenant_id text,
    ADD COLUMN approval_requested_at timestamptz,
    ADD COLUMN approval_deadline_at timestamptz,
    ADD COLUMN approval_message text,
    ADD COLUMN approval_approvers jsonb`,
  `CREATE INDEX orchestration_step_runs_approvals
    ON execution.orchestration_step_runs (approval_tenant_id, approval_requested_at, id)
    WHERE approval_requested_at IS NOT NULL`,
];

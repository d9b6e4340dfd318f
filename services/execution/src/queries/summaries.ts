import type { ApprovalSummary, CurrentStep, ExecutionStatus, ExecutionSummary, Failure } from '@batuta/contracts';
import { shownFailure } from '../domain/index.js';
import type { Failed } from '../domain/index.js';

export interface SummaryRow {
  id: string;
  trace_id: string;
  config_id: string;
  config_name: string;
  status: ExecutionStatus;
  user_id: string;
  session_id: string | null;
  tenant_id: string;
  created_at: Date;
  started_at: Date | null;
  completed_at: Date | null;
  paused_at: Date | null;
  total_latency_ms: number | null;
  estimated_cost: string;
  created_by: string;
  token_count: number;
  /** Whether the step runs are those of the end, because all of them are written again at the end. */
  failure_is_projected: boolean;
  failed_step_id: string | null;
  failure_code: string | null;
  failure_message: string | null;
  failure_retryable: boolean | null;
  failed_step_name: string | null;
  failed_agent: string | null;
  failed_attempts: number | null;
  current_steps: CurrentStep[] | null;
  parent_id: string | null;
  restored_at: string | null;
}

export interface ApprovalRow {
  id: string;
  execution_id: string;
  step_id: string;
  step_name: string;
  config_id: string;
  config_name: string;
  status: ExecutionStatus;
  approval_message: string;
  approval_approvers: string[] | null;
  approval_requested_at: Date;
  approval_deadline_at: Date | null;
}

export function approvalSummary(row: ApprovalRow): ApprovalSummary {
  return {
    executionId: row.execution_id,
    stepId: row.step_id,
    stepName: row.step_name,
    configId: row.config_id,
    configName: row.config_name,
    message: row.approval_message,
    requestedAt: row.approval_requested_at.getTime(),
    status: row.status,
    ...(row.approval_approvers === null ? {} : { approvers: row.approval_approvers }),
    ...(row.approval_deadline_at === null ? {} : { deadlineAt: row.approval_deadline_at.getTime() }),
  };
}

const failureOf = (row: SummaryRow, code: string): Failure => ({
  code,
  message: row.failure_message ?? '',
  retryable: row.failure_retryable ?? false,
});

/** What failed, from the projection of step runs. An id without a step run belongs to a group. */
export function failedOf(row: SummaryRow): Failed {
  const { failed_step_id: id, failed_step_name: name, failed_agent: agent, failed_attempts: attempts } = row;
  if (id === null) return { kind: 'execution' };
  if (name === null) return { kind: 'group', id };
  return { kind: 'step', id, name, agent: agent ?? '', attempts: agent === '' ? 0 : (attempts ?? 0) };
}

export function executionSummary(row: SummaryRow, failed: Failed): ExecutionSummary {
  return {
    id: row.id,
    traceId: row.trace_id,
    configId: row.config_id,
    configName: row.config_name,
    status: row.status,
    userId: row.user_id,
    tenantId: row.tenant_id,
    createdAt: row.created_at.getTime(),
    estimatedCost: Number(row.estimated_cost),
    createdBy: row.created_by,
    tokenCount: row.token_count,
    ...(row.session_id === null ? {} : { sessionId: row.session_id }),
    ...(row.started_at === null ? {} : { startedAt: row.started_at.getTime() }),
    ...(row.completed_at === null ? {} : { completedAt: row.completed_at.getTime() }),
    ...(row.paused_at === null ? {} : { pausedAt: row.paused_at.getTime() }),
    ...(row.total_latency_ms === null ? {} : { totalLatencyMs: row.total_latency_ms }),
    ...(row.failure_code === null ? {} : { failure: shownFailure(failed, failureOf(row, row.failure_code)) }),
    ...(row.parent_id === null ? {} : { parentId: row.parent_id }),
    ...(row.restored_at === null ? {} : { restoredAt: Number(row.restored_at) }),
    ...(row.current_steps === null ? {} : { currentSteps: row.current_steps }),
  };
}

import { isoTime } from '@batuta/contracts';
import type { StepView } from '@batuta/contracts';
import { isTerminal, view } from '../domain/index.js';
import type { State } from '../domain/index.js';

/** Outputs with more JSON text than this are kept only as their beginning; the whole is in the log. */
const OUTPUT_CHARACTERS = 64 * 1024;
const LARGEST_COST = 9999.999999;
const LARGEST_INT = 2_147_483_647;

const time = (ms: number | undefined): string | null => (ms === undefined || ms === 0 ? null : isoTime(ms));

/** What the list of waiting approvals shows; nothing once nobody is waited for. What a row leaves out is null. */
function waitingApproval(tenantId: string, approval: StepView['approval']): Record<string, unknown> {
  if (approval?.status !== 'waiting') return {};
  return {
    approval_tenant_id: tenantId,
    approval_requested_at: time(approval.requestedAt),
    approval_deadline_at: time(approval.deadlineAt),
    approval_message: approval.message,
    approval_approvers: approval.approvers ?? null,
  };
}

function stepRun({ executionId, version, started }: State, step: StepView): Record<string, unknown> {
  const output = step.output === undefined ? undefined : JSON.stringify(step.output);
  const truncated = output !== undefined && output.length > OUTPUT_CHARACTERS;
  return {
    execution_id: executionId,
    step_index: step.stepIndex,
    step_id: step.stepId,
    step_name: step.stepName,
    status: step.status,
    output: truncated ? output.slice(0, OUTPUT_CHARACTERS).toWellFormed() : step.output,
    output_truncated: truncated,
    error_message: step.failure?.message ?? null,
    error_trace: step.failure?.trace ?? null,
    dependencies: step.dependencies,
    latency_ms: step.latencyMs ?? null,
    retry_count: step.retryCount,
    token_count: Math.min(step.tokenCount ?? 0, LARGEST_INT),
    estimated_cost: Math.min(step.estimatedCost ?? 0, LARGEST_COST),
    started_at: time(step.startedAt),
    completed_at: time(step.completedAt),
    agent_id: step.agentId,
    agent_version: step.agentVersion ?? null,
    version,
    ...waitingApproval(started?.tenantId ?? '', step.approval),
  };
}

/**
 * Rows of orchestration_step_runs for the steps that changed between two states of an execution; all of them without an
 * earlier state, and when its status changed, since steps of an ended or paused execution are shown otherwise.
 */
export function stepRunRows(base: State | undefined, state: State): Record<string, unknown>[] {
  const all = base === undefined || base.version === 0 || base.status !== state.status || isTerminal(state.status);
  return view(state)
    .steps.filter((step) => all || base.units.get(step.stepIndex) !== state.units.get(step.stepIndex))
    .map((step) => stepRun(state, step));
}

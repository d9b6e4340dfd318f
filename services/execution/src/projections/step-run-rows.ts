import type { StepView } from '@batuta/contracts';
import { isTerminal, view } from '../domain/index.js';
import type { State } from '../domain/index.js';

/** Outputs with more JSON text than this are kept only as their beginning; the whole is in the log. */
const OUTPUT_CHARACTERS = 64 * 1024;
const LARGEST_COST = 9999.999999;
const LARGEST_INT = 2_147_483_647;

const time = (ms: number | undefined): string | null =>
  ms === undefined || ms === 0 ? null : new Date(ms).toISOString();

/** What the list of waiting approvals shows; nothing once nobody is waited for. */
function waitingApproval(tenantId: string, { approval }: StepView): Record<string, unknown> {
  const waiting = approval?.status === 'waiting' ? approval : undefined;
  return {
    approval_tenant_id: waiting === undefined ? null : tenantId,
    approval_requested_at: time(waiting?.requestedAt),
    approval_deadline_at: time(waiting?.deadlineAt),
    approval_message: waiting?.message ?? null,
    approval_approvers: waiting?.approvers ?? null,
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
    ...waitingApproval(started?.tenantId ?? '', step),
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

import { ExecutionViewSchema, toUserJson } from '@batuta/contracts';
import type { ExecutionStatus, ExecutionView, JsonObject, JsonValue, WorkStatus } from '@batuta/contracts';

/** Where a run stands, in the words of workflows, processes and tasks. */
export function workStatusOf(status: ExecutionStatus): WorkStatus {
  switch (status) {
    case 'pending':
      return 'PENDING';
    case 'running':
    case 'compensation':
      return 'RUNNING';
    case 'paused':
      return 'PAUSED';
    case 'completed':
      return 'COMPLETED';
    case 'failed':
    case 'cancelled':
      return 'FAILED';
    default:
      return status satisfies never;
  }
}

const orNull = (value: JsonValue | undefined): JsonValue => value ?? null;

function shownStep(step: JsonObject): JsonObject {
  const child = step['child'] as JsonObject | undefined;
  return {
    id: orNull(step['step_id']),
    type: orNull(step['step_name']),
    status: orNull(step['status']),
    started_at: orNull(step['started_at']),
    completed_at: orNull(step['completed_at']),
    output: orNull(step['output']),
    ...(step['output_omitted'] === undefined ? {} : { output_omitted: step['output_omitted'] }),
    failure: orNull(step['failure']),
    execution_id: orNull(child?.['execution_id']),
  };
}

/** A run with what became of each of its tasks or steps; `path`: of the runs, which have their outputs whole. */
export function shownRun(execution: ExecutionView, steps: 'tasks' | 'steps', path = ''): JsonObject {
  const shown = toUserJson(ExecutionViewSchema, execution);
  return {
    id: execution.id,
    status: workStatusOf(execution.status),
    execution_status: execution.status,
    created_at: orNull(shown['created_at']),
    started_at: orNull(shown['started_at']),
    completed_at: orNull(shown['completed_at']),
    started_by: execution.userId,
    output: orNull(shown['output']),
    ...(execution.outputOmitted === undefined
      ? {}
      : { output_omitted: { ...execution.outputOmitted, href: `${path}/${execution.id}` } }),
    failure: orNull(shown['failure']),
    pending_reason: execution.pendingReason ?? null,
    waits_for: (execution.after ?? []).map(({ executionId, process, on, state }) => ({
      execution_id: executionId,
      process: process ?? null,
      on,
      state,
    })),
    [steps]: (shown['steps'] as JsonObject[]).map(shownStep),
  };
}

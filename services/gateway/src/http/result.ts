import { EVENT_SCHEMAS, ExecutionViewSchema, toUserJson } from '@batuta/contracts';
import type { ExecutionView, JsonObject } from '@batuta/contracts';
import type { Ending } from '../realtime/execution-watch.js';

/** The result of a finished execution from its terminal event; undefined when that came without its payload. */
export function resultOfEnding(executionId: string, traceId: string, ending: Ending): JsonObject | undefined {
  if (ending.withoutPayload) return undefined;
  const { event } = ending;
  const base = { execution_id: executionId, trace_id: traceId };
  const completed_at = new Date(event.at).toISOString();
  switch (event.type) {
    case 'ExecutionCompleted':
      return { ...base, status: 'completed', output: event.data.output ?? null, completed_at };
    case 'ExecutionFailed': {
      const { failure } = toUserJson(EVENT_SCHEMAS.ExecutionFailed, event.data);
      return { ...base, status: 'failed', output: null, failure: failure ?? null, completed_at };
    }
    case 'ExecutionCancelled':
      return { ...base, status: 'cancelled', output: null, completed_at };
    default:
      return undefined;
  }
}

const FINISHED: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled']);

export const isFinished = (status: string): boolean => FINISHED.has(status);

/** The result of an execution from its folded state, or where it stands when it is not finished. */
export function resultOfView(view: ExecutionView): JsonObject {
  const base = { execution_id: view.id, trace_id: view.traceId, status: view.status };
  if (!isFinished(view.status)) return base;
  const shown = toUserJson(ExecutionViewSchema, view);
  return {
    ...base,
    output: view.output ?? null,
    ...(view.status === 'failed' ? { failure: shown['failure'] ?? null } : {}),
    completed_at: shown['completed_at'] ?? null,
  };
}

/** Where an execution stands: its steps without their outputs. */
export function statusOfView(view: ExecutionView): JsonObject {
  const shown = toUserJson(ExecutionViewSchema, view);
  const counts: Record<string, number> = { pending: 0, running: 0, completed: 0, failed: 0, skipped: 0, paused: 0 };
  for (const { status } of view.steps ?? []) counts[status] = (counts[status] ?? 0) + 1;
  const { input: _input, output: _output, metadata: _metadata, id, steps, ...rest } = shown;
  return {
    execution_id: id ?? view.id,
    ...rest,
    step_counts: { total: view.steps?.length ?? 0, ...counts },
    steps: (Array.isArray(steps) ? (steps as JsonObject[]) : []).map(({ output: _stepOutput, ...step }) => step),
  };
}

import { ExecutionViewSchema, isoTime, QueuedViewSchema, toUserJson } from '@batuta/contracts';
import type { ExecutionView, JsonObject } from '@batuta/contracts';
import { isJsonObject } from '../dto/checked.js';
import type { Ending } from './execution-watch.js';

/** The result of a finished execution from its last event. Undefined when the event does not contain all of it. */
export function resultOfEnding(executionId: string, traceId: string, ending: Ending): JsonObject | undefined {
  const { event, isResult } = ending;
  if (!isResult || event.type !== 'ExecutionCompleted' || event.data.output === undefined) return undefined;
  return {
    execution_id: executionId,
    trace_id: traceId,
    status: 'completed',
    output: event.data.output,
    completed_at: isoTime(event.at),
    token_count: 0,
    estimated_cost: 0,
  };
}

const FINISHED: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled']);

export const isFinished = (status: string): boolean => FINISHED.has(status);

/** The result of an execution from its state, or its progress when it has not finished. */
export function resultOfView(view: ExecutionView): JsonObject {
  const base = { execution_id: view.id, trace_id: view.traceId, status: view.status };
  if (!isFinished(view.status)) {
    const queued = queuedSteps(view);
    return queued.length === 0 ? base : { ...base, queued };
  }
  // The steps are the largest part of a view and do not belong to the result.
  const { steps: _steps, input: _input, output: _output, metadata: _metadata, ...rest } = view;
  const shown = toUserJson(ExecutionViewSchema, rest);
  return {
    ...base,
    output: view.output ?? null,
    ...(view.status === 'failed' ? { failure: shown['failure'] ?? null } : {}),
    completed_at: shown['completed_at'] ?? null,
    token_count: view.tokenCount,
    estimated_cost: view.estimatedCost,
    ...(shown['budget'] === undefined ? {} : { budget: shown['budget'] }),
    ...servedBy(view),
    ...(shown['consensus'] === undefined ? {} : { consensus: shown['consensus'] }),
    ...(shown['compensation'] === undefined ? {} : { compensation: shown['compensation'] }),
  };
}

/** The steps of a view that wait for a worker, each with the numbers of its pool. */
export const queuedSteps = ({ steps }: ExecutionView): JsonObject[] =>
  steps.flatMap(({ stepId, queued }) =>
    queued === undefined ? [] : [{ step_id: stepId, ...toUserJson(QueuedViewSchema, queued) }],
  );

/** Which fallback served which step or group. Empty when there was none. */
function servedBy(view: ExecutionView): { served_by?: JsonObject } {
  const served = [
    ...(view.steps ?? []).map(({ stepId, servedBy: by }) => [stepId, by]),
    ...(view.consensus ?? []).map(({ groupId, servedBy: by }) => [groupId, by]),
  ].filter(([, by]) => by !== undefined);
  return served.length === 0 ? {} : { served_by: Object.fromEntries(served) as JsonObject };
}

/** A step without its payloads: its output, an approval's material, and the data of the decision. */
function withoutPayloads({ output: _output, approval, ...step }: JsonObject): JsonObject {
  if (typeof approval !== 'object' || approval === null || Array.isArray(approval)) return step;
  const { input: _input, data: _data, ...shown } = approval;
  return { ...step, approval: shown };
}

/** A step in a status. Its duration and its failure are there for every step, as null when there is none. */
function statusOfStep(step: JsonObject): JsonObject {
  const { failure } = step;
  const error = isJsonObject(failure) ? (failure['message'] ?? null) : null;
  return { latency_ms: null, ...withoutPayloads(step), error };
}

/** The progress of an execution: its own input and output, and its steps without their payloads. */
export function statusOfView(view: ExecutionView): JsonObject {
  const shown = toUserJson(ExecutionViewSchema, view);
  const counts: Record<string, number> = { pending: 0, running: 0, completed: 0, failed: 0, skipped: 0, paused: 0 };
  for (const { status } of view.steps ?? []) counts[status] = (counts[status] ?? 0) + 1;
  const { input, output, metadata: _metadata, id, steps, ...rest } = shown;
  return {
    execution_id: id ?? view.id,
    ...rest,
    input: input ?? null,
    output: output ?? null,
    metrics: {
      latency_ms: view.totalLatencyMs ?? null,
      cost: view.estimatedCost ?? 0,
      tokens: view.tokenCount ?? 0,
    },
    step_counts: { total: view.steps?.length ?? 0, ...counts },
    steps: (Array.isArray(steps) ? (steps as JsonObject[]) : []).map(statusOfStep),
  };
}

import { SCHEDULE_EVENT_SCHEMAS, isoTime, toUserJson } from '@batuta/contracts';
import type { JsonObject, JsonValue, ScheduleEvent, ScheduleView } from '@batuta/contracts';
import { READ_ONLY } from './schedules.openapi.js';

/** The definition in a body. The body may be the answer of a GET. */
export function definitionOf(body: JsonValue): JsonObject {
  return Object.fromEntries(Object.entries(body as JsonObject).filter(([key]) => !READ_ONLY.has(key)));
}

const time = (at: number | undefined): string | null => (at === undefined ? null : isoTime(at));

export function shownSchedule(view: ScheduleView): JsonObject {
  const { definition, pauseCause: cause, pausedBy: by = '', pauseReason: reason = '' } = view;
  return {
    id: view.id,
    tenant_id: view.tenantId,
    status: view.status,
    version: view.revision,
    ...(definition as unknown as JsonObject),
    created_by: view.createdBy,
    created_at: isoTime(view.createdAt),
    updated_at: isoTime(view.updatedAt),
    paused: cause === undefined ? null : { by, reason, cause },
    next_at: time(view.nextAt),
    last_fired_at: time(view.lastFiredAt),
    last_execution_id: view.lastExecutionId ?? null,
    running: view.running.map(({ executionId, nominalAt, cause: why }) => ({
      execution_id: executionId,
      nominal_at: isoTime(nominalAt),
      cause: why,
    })),
    waiting: view.waiting.map(isoTime),
    counts: { ...view.counts },
    remaining_runs: view.remainingRuns ?? null,
  };
}

/** One event in the form of the API. */
export function shownScheduleEvent({ version, type, at, data }: ScheduleEvent): JsonObject {
  const shown = toUserJson(SCHEDULE_EVENT_SCHEMAS[type], data);
  const { nominal_at: nominal } = shown;
  return {
    version,
    type,
    at: isoTime(at),
    data: Array.isArray(nominal) ? { ...shown, nominal_at: nominal.map((item) => isoTime(Number(item))) } : shown,
  };
}

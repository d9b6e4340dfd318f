import type { ScheduleView } from '@batuta/contracts';
import { nextDue, runsLeft } from './state.js';
import type { ScheduleState } from './state.js';

/** A schedule in the form of the API. Undefined before its first event. */
export function scheduleView(state: ScheduleState): ScheduleView | undefined {
  const { definition, pause, running, waiting } = state;
  if (definition === undefined) return undefined;
  const next = nextDue(state);
  return {
    id: state.scheduleId,
    tenantId: state.tenantId,
    version: state.version,
    status: state.status,
    definition,
    createdBy: state.createdBy,
    createdAt: state.createdAt,
    updatedAt: state.updatedAt,
    revision: state.revision,
    ...(pause === undefined ? {} : { pausedBy: pause.by, pauseReason: pause.reason, pauseCause: pause.cause }),
    ...(next === undefined ? {} : { nextAt: next.nominal }),
    ...(state.lastFiredAt === 0 ? {} : { lastFiredAt: state.lastFiredAt, lastExecutionId: state.lastExecutionId }),
    running: running.map(({ executionId, nominalAt, cause }) => ({ executionId, nominalAt, cause })),
    waiting: waiting.map(({ nominalAt }) => nominalAt),
    counts: state.counts,
    ...(definition.max_runs === undefined ? {} : { remainingRuns: runsLeft(state) }),
  };
}

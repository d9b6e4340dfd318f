import type { JsonObject } from '@batuta/contracts';

const REASON = { reason: 'not needed any more' };
const EXECUTIONS = '/api/v1/orchestrations/executions/{id}';

/** A body for each operation that takes one. From the first to the last they work on a platform that has nothing yet. */
export const BODY_EXAMPLES: Readonly<Record<string, JsonObject>> = {
  'post /api/v1/orchestrations/execute/{config_id}': { input: { who: 'world' } },
  [`post ${EXECUTIONS}/pause`]: { reason: 'waits for the maintenance', now: false },
  [`post ${EXECUTIONS}/resume`]: { reason: 'the maintenance is over' },
  [`post ${EXECUTIONS}/cancel`]: { ...REASON, compensate: false },
  [`post ${EXECUTIONS}/terminate`]: REASON,
  [`post ${EXECUTIONS}/retry`]: { reason: 'the cause is mended' },
  [`post ${EXECUTIONS}/compensate`]: { reason: 'the order was withdrawn' },
  [`post ${EXECUTIONS}/steps/{step_id}/skip`]: REASON,
  [`post ${EXECUTIONS}/steps/{step_id}/approve`]: { comment: 'checked with the customer', data: { amount: 100 } },
  [`post ${EXECUTIONS}/steps/{step_id}/reject`]: { comment: 'too much' },
  [`post ${EXECUTIONS}/signals/{name}`]: { payload: { amount: 100 } },
  [`post ${EXECUTIONS}/fork`]: { from_step_id: 'again', input: { who: 'everybody' } },
  'post /api/v1/schedules': {
    name: 'every-morning',
    config: 'two-steps',
    timetable: { cron: '0 7 * * 1-5', time_zone: 'Europe/Berlin' },
    input: { who: 'everybody', on: '{% nominal_time %}' },
  },
  'put /api/v1/schedules/{id}': {
    name: 'twice-a-day',
    config: 'two-steps',
    timetable: { calendar: { hours: [7, 19], days_of_week: ['mon', 'fri'] }, time_zone: 'Europe/Berlin' },
    overlap: 'buffer_one',
  },
  'post /api/v1/schedules/preview': { timetable: { calendar: { days_of_month: [-1], hours: [18] } } },
  'post /api/v1/schedules/{id}/pause': { reason: 'holidays' },
  'post /api/v1/schedules/{id}/resume': { reason: 'the holidays are over' },
  'post /api/v1/schedules/{id}/trigger': { overlap: 'allow' },
  'post /api/v1/schedules/{id}/backfill': { from: '2026-01-01T00:00:00Z', to: '2026-01-03T00:00:00Z' },
};

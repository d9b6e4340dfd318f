import type { JsonObject } from '@batuta/contracts';

/** Two steps that need nothing but a running platform. The other examples run it, change it and tell of it. */
export const DEFINITION_EXAMPLE = {
  name: 'two-steps',
  description: 'Two steps, the second after the first.',
  strategy: 'parallel',
  steps: [
    { id: 'hello', name: 'Say hello', agent: 'echo', timeout_ms: 5000 },
    { id: 'again', name: 'Say it again', agent: 'echo', timeout_ms: 5000, dependencies: ['hello'] },
  ],
  settings: { timeout_ms: 60_000 },
};

const REASON = { reason: 'not needed any more' };
const EXECUTIONS = '/api/v1/orchestrations/executions/{id}';
const CONFIGS = '/api/v1/orchestrations/configs';

/** A body for each operation that takes one. From the first to the last they work on a platform that has nothing yet. */
export const BODY_EXAMPLES: Readonly<Record<string, JsonObject>> = {
  [`post ${CONFIGS}`]: DEFINITION_EXAMPLE,
  [`put ${CONFIGS}/{id}`]: { ...DEFINITION_EXAMPLE, description: 'Two steps, replaced as a whole.' },
  [`patch ${CONFIGS}/{id}`]: { description: 'Greets twice.', settings: { timeout_ms: 30_000, priority: null } },
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
  'put /api/v1/agents/{name}': { pool: 'text', description: 'Counts words', input_schema: { type: 'object' } },
  'patch /api/v1/agents/{name}': { description: 'Counts words and characters', output_schema: null },
  'put /api/v1/tenants/{tenant}/settings': { global_configs: true },
  'put /api/v1/tenants/{tenant}/limits': { weight: 2, starts_per_second: 50, unfinished_executions: 10_000 },
  'post /api/v1/knowledge/documents': {
    source: 'runbooks/import.md',
    title: 'Import',
    content_type: 'text/markdown',
    content: '# Import\n\nA duplicate key in the import: use upsert.',
  },
  'post /api/v1/pools/{pool}/credentials': { name: 'worker on host 7' },
  'post /api/v1/api-keys': { user_id: 'ada', role: 'operator', name: 'laptop' },
  'post /api/v1/orchestrations/callbacks': {
    config_id: 'two-steps',
    type: 'webhook',
    events: ['completed', 'failed'],
    callback_url: 'https://example.org/hooks/batuta',
  },
  'post /api/v1/notifications/ack': { ids: ['01944f2c-0000-7000-8000-000000000001'] },
};

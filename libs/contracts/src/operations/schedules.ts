import {
  GetScheduleReplySchema,
  GetScheduleRequestSchema,
  ListScheduleEventsReplySchema,
  ListScheduleEventsRequestSchema,
  ListSchedulesReplySchema,
  ListSchedulesRequestSchema,
} from '../generated/batuta/execution/v1/schedules_pb.js';
import { SCHEDULE_LIMITS, SCHEDULE_STATUSES } from '../schedules.js';
import type {
  GetScheduleReply,
  GetScheduleRequest,
  ListScheduleEventsReply,
  ListScheduleEventsRequest,
  ListSchedulesReply,
  ListSchedulesRequest,
} from '../schedules.js';
import type { RefusalCode } from '../codes.js';
import { anotherRoute, defineCommand, defineOperation } from './define.js';
import type { HttpRoute, StreamCommand } from './define.js';
import { cursorParameter, integerParameter, limitParameter, textParameter, wordParameter } from './parameters.js';

const PATH = '/api/v1/schedules';
/** Query parameters of the routes. */
export const SCHEDULE_QUERIES = {
  list: {
    status: wordParameter(
      'Only schedules with this status.',
      SCHEDULE_STATUSES.filter((status) => status !== 'deleted'),
    ),
    config_id: textParameter('Only schedules of this config, by its id.'),
    limit: limitParameter(200),
    cursor: cursorParameter,
  },
  history: { limit: limitParameter(200), cursor: cursorParameter },
  preview: {
    count: {
      ...integerParameter(`How many times, 1 to ${SCHEDULE_LIMITS.preview}.`, 1, SCHEDULE_LIMITS.preview),
      fallback: 10,
    },
  },
} as const;

/** A command to a schedule. Its owner answers after the commit. */
function command(name: string, does: string, http: HttpRoute, refuses: readonly RefusalCode[] = []): StreamCommand {
  return defineCommand({
    name: `schedules.${name}`,
    role: 'operator',
    does,
    refuses,
    http,
  });
}

const get = defineOperation<GetScheduleRequest, GetScheduleReply>({
  name: 'schedules.get',
  service: 'execution',
  subject: 'batuta.execution.query.schedule',
  kind: 'read',
  role: 'viewer',
  does: 'see a schedule',
  request: GetScheduleRequestSchema,
  reply: GetScheduleReplySchema,
  refuses: ['not_found'],
  http: {
    method: 'GET',
    path: `${PATH}/:id`,
    summary: 'One schedule',
    seen: true,
    answers: [{ status: 200, schema: 'Schedule', says: 'The schedule, with what it does now.', etag: true }],
  },
});

/** Executions that are started at given times. */
export const schedules = {
  create: command('create', 'make a schedule', {
    method: 'POST',
    path: PATH,
    summary: 'Make a schedule',
    description: 'It starts an execution of its config at each time of its timetable, beginning now.',
    once: 'command',
    body: {
      schema: 'ScheduleBody',
      says: 'What to start, and when.',
      example: {
        name: 'every-morning',
        config: 'two-steps',
        timetable: { cron: '0 7 * * 1-5', time_zone: 'Europe/Berlin' },
        input: { who: 'everybody', on: '{% nominal_time %}' },
      },
    },
    answers: [{ status: 201, schema: 'Schedule', says: 'Made.', etag: true }],
  }),
  list: defineOperation<ListSchedulesRequest, ListSchedulesReply>({
    name: 'schedules.list',
    service: 'execution',
    subject: 'batuta.execution.query.schedules',
    kind: 'read',
    // A list may be slow, and repeats would make it slower.
    again: false,
    role: 'viewer',
    does: 'list schedules',
    request: ListSchedulesRequestSchema,
    reply: ListSchedulesReplySchema,
    http: {
      method: 'GET',
      path: PATH,
      tool: true,
      summary: 'List schedules',
      query: SCHEDULE_QUERIES.list,
      answers: [{ status: 200, schema: 'SchedulePage', says: 'A page, the newest first.' }],
    },
  }),
  /** Sends no request: the times follow from the body. */
  previewOf: anotherRoute(get, {
    name: 'schedules.previewOf',
    refuses: [],
    http: {
      method: 'POST',
      path: `${PATH}/preview`,
      summary: 'Show the next times of a timetable',
      description: 'Nothing is made. Jitter is left out.',
      query: SCHEDULE_QUERIES.preview,
      body: {
        schema: 'PreviewBody',
        says: 'The timetable.',
        example: { timetable: { calendar: { days_of_month: [-1], hours: [18] } } },
      },
      answers: [{ status: 200, schema: 'SchedulePreview', says: 'Its next times.' }],
    },
  }),
  get,
  update: command(
    'update',
    'replace a schedule',
    {
      method: 'PUT',
      path: `${PATH}/:id`,
      summary: 'Replace a schedule',
      description:
        'Times count anew from now; what runs or waits is left alone. What a GET answered may be sent back: fields that the platform keeps are ignored.',
      compares: true,
      body: {
        schema: 'ScheduleBody',
        says: 'The whole schedule.',
        example: {
          name: 'twice-a-day',
          config: 'two-steps',
          timetable: { calendar: { hours: [7, 19], days_of_week: ['mon', 'fri'] }, time_zone: 'Europe/Berlin' },
          overlap: 'buffer_one',
        },
      },
      answers: [{ status: 200, schema: 'Schedule', says: 'Replaced.', etag: true }],
    },
    ['not_found'],
  ),
  delete: command(
    'delete',
    'delete a schedule',
    {
      method: 'DELETE',
      path: `${PATH}/:id`,
      summary: 'Delete a schedule',
      description: 'What it has started goes on; what waits is not started.',
      compares: true,
      answers: [{ status: 200, schema: 'Schedule', says: 'The deleted schedule.' }],
    },
    ['not_found'],
  ),
  pause: command(
    'pause',
    'pause a schedule',
    {
      method: 'POST',
      path: `${PATH}/:id/pause`,
      summary: 'Pause a schedule',
      description: 'Times that come meanwhile start nothing.',
      once: 'command',
      body: { schema: 'ScheduleReason', says: 'Why.', example: { reason: 'holidays' } },
      answers: [{ status: 200, schema: 'Schedule', says: 'Paused.', etag: true }],
    },
    ['not_found', 'already_paused', 'not_applicable'],
  ),
  resume: command(
    'resume',
    'resume a schedule',
    {
      method: 'POST',
      path: `${PATH}/:id/resume`,
      summary: 'Resume a schedule',
      description: 'It goes on with the times that come from now.',
      once: 'command',
      body: { schema: 'ScheduleReason', says: 'Why.', example: { reason: 'the holidays are over' } },
      answers: [{ status: 200, schema: 'Schedule', says: 'Goes on.', etag: true }],
    },
    ['not_found', 'not_paused'],
  ),
  trigger: command(
    'trigger',
    'trigger a schedule',
    {
      method: 'POST',
      path: `${PATH}/:id/trigger`,
      summary: 'Start an execution now',
      description:
        'Beside what the timetable says, also while the schedule is paused. It does not count for `max_runs`.',
      once: 'command',
      body: { schema: 'TriggerBody', says: 'What to do when others run.', example: { overlap: 'allow' } },
      answers: [
        { status: 200, schema: 'Schedule', says: 'Started, or waiting: see `running` and `waiting`.', etag: true },
      ],
    },
    ['not_found'],
  ),
  backfill: command(
    'backfill',
    'backfill a schedule',
    {
      method: 'POST',
      path: `${PATH}/:id/backfill`,
      summary: 'Start executions for times of the past',
      description: `One for each time of the timetable in the range, at most ${SCHEDULE_LIMITS.backfill}. A time that has an execution gets no second one.`,
      once: 'command',
      body: {
        schema: 'BackfillBody',
        says: 'The range.',
        example: { from: '2026-01-01T00:00:00Z', to: '2026-01-03T00:00:00Z' },
      },
      answers: [
        { status: 200, schema: 'Schedule', says: 'Started, or waiting: see `running` and `waiting`.', etag: true },
      ],
    },
    ['not_found', 'not_applicable'],
  ),
  preview: anotherRoute(get, {
    name: 'schedules.preview',
    http: {
      method: 'GET',
      path: `${PATH}/:id/preview`,
      summary: 'Show the next times of a schedule',
      description: 'Jitter is left out.',
      query: SCHEDULE_QUERIES.preview,
      answers: [{ status: 200, schema: 'SchedulePreview', says: 'Its next times.' }],
    },
  }),
  history: defineOperation<ListScheduleEventsRequest, ListScheduleEventsReply>({
    name: 'schedules.history',
    service: 'execution',
    subject: 'batuta.execution.query.scheduleHistory',
    kind: 'read',
    role: 'viewer',
    does: 'see what a schedule has done',
    request: ListScheduleEventsRequestSchema,
    reply: ListScheduleEventsReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'GET',
      path: `${PATH}/:id/history`,
      summary: 'What a schedule has done',
      description: 'Each firing, each time that was left out with its reason, and each change, the oldest first.',
      query: SCHEDULE_QUERIES.history,
      answers: [{ status: 200, schema: 'ScheduleHistory', says: 'A page.' }],
    },
  }),
} as const;

import {
  MISSED_POLICIES,
  OVERLAP_POLICIES,
  PRIORITIES,
  SCHEDULE_EVENT_SCHEMAS,
  SCHEDULE_LIMITS,
  SCHEDULE_STATUSES,
  WEEKDAYS,
} from '@batuta/contracts';
import { shownBody } from '../dto/document-body.js';
import { BACKFILL_BODY, SCHEDULE_REASON, TRIGGER_BODY } from '../dto/schedule-bodies.js';
import type { OpenApiPart } from '../openapi/openapi-part.js';
import { UUID_SCHEMA } from '../openapi/openapi-rules.js';
import { nullable, object, page, ref, REPEATED, text, time } from '../openapi/openapi-schema.js';
import type { OpenApiSchema } from '../openapi/openapi-schema.js';

const whole = (description: string, minimum: number, maximum: number): OpenApiSchema => ({
  type: 'integer',
  description,
  minimum,
  maximum,
});
const numbers = (description: string, minimum: number, maximum: number): OpenApiSchema => ({
  type: 'array',
  description,
  minItems: 1,
  maxItems: 100,
  items: { type: 'integer', minimum, maximum },
});

/** What its user says. */
const SAID: Record<string, OpenApiSchema> = {
  name: text('What it is called.', { minLength: 1, maxLength: 200 }),
  config: text('The config whose executions it starts: its id or name. Answers have the id.', {
    minLength: 1,
    maxLength: 200,
  }),
  config_version: whole('The version that it starts. Default: the newest one at each firing.', 1, 2_147_483_647),
  timetable: ref('Timetable'),
  input: {
    description: 'The input of its executions: a mapping over `schedule` (`id`, `name`), `nominal_time` and `cause`.',
  },
  session_id: text('The session of its executions.', { minLength: 1, maxLength: 200 }),
  metadata: {
    type: 'object',
    additionalProperties: true,
    description: 'Metadata of its executions, together with `schedule_id` and `nominal_time`.',
  },
  priority: text('The priority of its executions.', { enum: [...PRIORITIES] }),
  jitter_ms: whole(
    'Each start is delayed by less than this. The same time always has the same delay.',
    0,
    SCHEDULE_LIMITS.jitterMs,
  ),
  overlap: text('What to do with a time that comes while an execution runs.', {
    enum: [...OVERLAP_POLICIES],
    default: 'skip',
  }),
  buffer_limit: whole('Of `buffer_all`: how many times wait at most.', 1, SCHEDULE_LIMITS.bufferLimit),
  missed: {
    type: 'object',
    description: 'What to do with times that passed while the platform could not start them.',
    properties: {
      runs: text('Which of them start.', { enum: [...MISSED_POLICIES], default: 'latest' }),
      window_ms: whole('Older times start nothing.', 0, SCHEDULE_LIMITS.longestMissedWindowMs),
      limit: whole('Of `all`: how many start at most.', 1, SCHEDULE_LIMITS.missedLimit),
    },
  },
  pause_on_failure: {
    type: 'boolean',
    description: 'It pauses when an execution fails or cannot be started.',
    default: false,
  },
  max_runs: whole('It ends after this many executions.', 1, SCHEDULE_LIMITS.maxRuns),
};

/** The fields that its user must say. */
const NEEDED = ['name', 'config', 'timetable'];

/** What the platform adds, before what its user says. */
const IDENTITY: Record<string, OpenApiSchema> = {
  id: text('The schedule.', { format: 'uuid' }),
  tenant_id: text('The tenant that it belongs to.'),
  status: text('Where it stands.', { enum: SCHEDULE_STATUSES }),
  version: { type: 'integer', description: 'Grows by one with each change of its fields.' },
};

/** What the platform adds, after what its user says. */
const MAINTAINED: Record<string, OpenApiSchema> = {
  created_by: text('The user who made it. Its executions are this user’s.'),
  created_at: time('When it was made.'),
  updated_at: time('When it was last changed.'),
  paused: {
    type: ['object', 'null'],
    description: 'Who paused it and why; null when it is not paused.',
    required: ['by', 'reason', 'cause'],
    properties: {
      by: text('The user who did it; empty when a failure did.'),
      reason: text('Why.'),
      cause: text('Who paused it.', { enum: ['user', 'failure'] }),
    },
  },
  next_at: nullable(time('The next time of the timetable; null when there is none.')),
  last_fired_at: nullable(time('When it last started an execution.')),
  last_execution_id: nullable(text('The execution that it started last.', { format: 'uuid' })),
  running: { type: 'array', description: 'Executions whose end it waits for.', items: ref('ScheduleRun') },
  waiting: {
    type: 'array',
    description: 'Times whose executions wait for a running one.',
    items: { type: 'string', format: 'date-time' },
  },
  counts: ref('ScheduleCounts'),
  remaining_runs: nullable({ type: 'integer', description: 'Executions left of `max_runs`; null without it.' }),
};

/** Every field that the platform adds to what its user says. */
export const READ_ONLY: ReadonlySet<string> = new Set([
  ...Object.keys(IDENTITY),
  ...Object.keys(MAINTAINED),
  'repeated',
]);

const EVENT_TYPES = Object.keys(SCHEDULE_EVENT_SCHEMAS);

export const schedulesPart: OpenApiPart = {
  always: {
    ScheduleReason: [],
    Timetable: [],
    CalendarDays: [],
  },
  says: {
    'Timetable.calendar': 'Days and times of day. All of them must match.',
    timetable: 'When it is due.',
    'Schedule.counts': 'How its times and executions ended.',
    'SchedulePage.schedules': 'Schedules.',
  },
  parameters: [[/^\/api\/v1\/schedules\//, 'id', { description: 'The schedule.', schema: UUID_SCHEMA }]],
  schemas: () => ({
    Timetable: {
      type: 'object',
      description: 'When something is due: exactly one of `cron`, `every_ms`, `calendar` and `at`.',
      properties: {
        cron: text('5 fields, or 6 with seconds first, or 7 with years last; or `@hourly` and the like.', {
          maxLength: 500,
        }),
        every_ms: whole(
          'Time between two starts, counted from `start_at` or else from 1970.',
          1_000,
          1_000_000_000_000,
        ),
        calendar: ref('CalendarDays'),
        at: text('One time: RFC 3339, or without an offset in `time_zone`.'),
        time_zone: text('An IANA name; UTC without it.', { example: 'Europe/Berlin' }),
        gap: text(
          'A wall time that does not exist because clocks are set forward: the first instant after, or nothing.',
          { enum: ['next', 'skip'], default: 'next' },
        ),
        overlap_hour: text(
          'A wall time that comes twice because clocks are set back. Default `first`, but `both` for a cron expression of every hour.',
          { enum: ['first', 'both'] },
        ),
        start_at: time('Nothing is due before.'),
        end_at: time('Nothing is due after.'),
      },
    },
    CalendarDays: {
      type: 'object',
      description:
        'Days and times of day that must all match. An absent list always matches; seconds, minutes and hours default to 0.',
      properties: {
        seconds: numbers('Seconds.', 0, 59),
        minutes: numbers('Minutes.', 0, 59),
        hours: numbers('Hours.', 0, 23),
        days_of_month: numbers('Days; -1 is the last one of the month.', -31, 31),
        days_of_week: {
          type: 'array',
          description: 'Weekdays.',
          minItems: 1,
          maxItems: 100,
          items: { type: 'string', enum: [...WEEKDAYS] },
        },
        weeks_of_month: numbers('Which one of that weekday in its month; -1 is the last.', -5, 5),
        months: numbers('Months.', 1, 12),
        years: numbers('Years.', 1970, 2999),
      },
    },
    ScheduleBody: object(SAID, NEEDED),
    Schedule: object({ ...IDENTITY, ...SAID, ...MAINTAINED, repeated: REPEATED }, [
      ...Object.keys(IDENTITY),
      ...NEEDED,
      ...Object.keys(MAINTAINED),
    ]),
    ScheduleRun: object({
      execution_id: text('The execution.', { format: 'uuid' }),
      nominal_at: time('The time that it was started for.'),
      cause: text('Why it was started.', { enum: ['schedule', 'missed', 'trigger', 'backfill'] }),
    }),
    ScheduleCounts: object({
      fired: { type: 'integer', description: 'Executions that it has asked for.' },
      skipped: { type: 'integer', description: 'Times that started nothing.' },
      refused: { type: 'integer', description: 'Executions that could not be started.' },
      completed: { type: 'integer', description: 'Executions that completed.' },
      failed: { type: 'integer', description: 'Executions that failed.' },
      cancelled: { type: 'integer', description: 'Executions that were cancelled.' },
    }),
    SchedulePage: page('schedules', 'Schedule'),
    ScheduleHistory: page('events', 'ScheduleEvent'),
    ScheduleEvent: object({
      version: { type: 'integer', description: 'Its position in the history.' },
      type: text('What happened.', { enum: EVENT_TYPES }),
      at: time('When it happened.'),
      data: { type: 'object', additionalProperties: true, description: 'Its details.' },
    }),
    SchedulePreview: object({
      times: { type: 'array', description: 'The next times.', items: { type: 'string', format: 'date-time' } },
    }),
    PreviewBody: object({ timetable: ref('Timetable') }),
    ScheduleReason: shownBody(SCHEDULE_REASON),
    TriggerBody: shownBody(TRIGGER_BODY),
    BackfillBody: shownBody(BACKFILL_BODY),
  }),
};

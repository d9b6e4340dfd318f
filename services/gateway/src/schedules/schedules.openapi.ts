import { CALENDAR_SCHEMA, SCHEDULE_SCHEMA, TIMETABLE_SCHEMA } from '@batuta/calendar';
import { SCHEDULE_EVENT_SCHEMAS, SCHEDULE_STATUSES } from '@batuta/contracts';
import type { DocumentSchema } from '@batuta/contracts';
import { shownBody } from '../dto/document-body.js';
import { BACKFILL_BODY, SCHEDULE_REASON, TRIGGER_BODY } from '../dto/schedule-bodies.js';
import type { OpenApiPart } from '../openapi/openapi-part.js';
import { UUID_SCHEMA } from '../openapi/openapi-rules.js';
import { nullable, object, page, ref, REPEATED, text, time } from '../openapi/openapi-schema.js';
import type { OpenApiSchema } from '../openapi/openapi-schema.js';

/** The fields of a schema of the calendar. */
const fieldsOf = ({ properties }: DocumentSchema): Record<string, OpenApiSchema> => ({
  ...(properties as Record<string, OpenApiSchema>),
});

/** What its user says. */
const SAID: Record<string, OpenApiSchema> = {
  ...fieldsOf(SCHEDULE_SCHEMA),
  timetable: ref('Timetable'),
  missed: shownBody(fieldsOf(SCHEDULE_SCHEMA)['missed'] as DocumentSchema),
};

/** The fields that its user must say. */
const NEEDED = SCHEDULE_SCHEMA['required'] as readonly string[];

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
    Timetable: shownBody(TIMETABLE_SCHEMA, { calendar: ref('CalendarDays') }),
    CalendarDays: shownBody(CALENDAR_SCHEMA),
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

import {
  HINT,
  listSchema,
  objectOf,
  parseTime,
  RULE,
  textSchema,
  TIMETABLE_LIMITS,
  WEEKDAYS,
  wholeSchema,
  wordSchema,
} from '@batuta/contracts';
import type { CalendarSpec, DocumentSchema, TimetableSpec } from '@batuta/contracts';
import { parseWallTime } from './civil.js';
import { cronTimes } from './wall-times.js';
import { Zone } from './zone.js';

const MOST_ENTRIES = 100;
const EMPTY = 'leave it out to allow all';

const numbers = (description: string, low: number, high: number): DocumentSchema => ({
  ...listSchema(description, { type: 'integer', minimum: low, maximum: high }, { min: 1, max: MOST_ENTRIES }),
  [HINT]: EMPTY,
});

/** Numbers that are counted from both ends, so that there is no 0. */
const numbersFromBothEnds = (description: string, most: number): DocumentSchema => ({
  ...numbers(description, -most, most),
  items: {
    type: 'integer',
    minimum: -most,
    maximum: most,
    [RULE]: (value: unknown) =>
      value === 0 ? { code: 'out_of_range', message: `must be from ${-most} to ${most}, but not 0` } : undefined,
  },
});

export const CALENDAR_SCHEMA = objectOf<Required<CalendarSpec>>(
  'Days and times of day that must all match. An absent list always matches; seconds, minutes and hours default to 0.',
  {
    seconds: numbers('Seconds.', 0, 59),
    minutes: numbers('Minutes.', 0, 59),
    hours: numbers('Hours.', 0, 23),
    days_of_month: numbersFromBothEnds('Days; -1 is the last one of the month.', 31),
    days_of_week: {
      ...listSchema('Weekdays.', { type: 'string', enum: WEEKDAYS }, { min: 1, max: MOST_ENTRIES }),
      [HINT]: EMPTY,
    },
    weeks_of_month: numbersFromBothEnds('Which one of that weekday in its month; -1 is the last.', 5),
    months: numbers('Months.', 1, 12),
    years: numbers('Years.', 1970, 2999),
  },
);

function cronMistake(cron: string): { code: string; message: string } | undefined {
  try {
    cronTimes(cron);
    return undefined;
  } catch (error) {
    const why = (error as Error).message.replace(/^CronPattern: /, '');
    return { code: 'bad_format', message: `is no cron expression: ${why}` };
  }
}

const instant = (description: string): DocumentSchema => ({
  description,
  type: 'string',
  format: 'date-time',
  [RULE]: (value) =>
    parseTime(value as string) === undefined
      ? { code: 'bad_format', message: 'must be a time such as 2026-12-31T09:00:00Z' }
      : undefined,
});

export const TIMETABLE_SCHEMA = objectOf<Required<TimetableSpec>>(
  'When something is due: exactly one of `cron`, `every_ms`, `calendar` and `at`.',
  {
    cron: {
      ...textSchema('5 fields, or 6 with seconds first, or 7 with years last; or `@hourly` and the like.', 0, 500),
      [RULE]: (value) => cronMistake(value as string),
    },
    every_ms: wholeSchema(
      'Time between two starts, counted from `start_at` or else from 1970.',
      TIMETABLE_LIMITS.shortestIntervalMs,
      TIMETABLE_LIMITS.longestIntervalMs,
    ),
    calendar: CALENDAR_SCHEMA,
    at: {
      description: 'One time: RFC 3339, or without an offset in `time_zone`.',
      type: 'string',
      [RULE]: (value) =>
        parseTime(value as string) === undefined && parseWallTime(value as string) === undefined
          ? {
              code: 'bad_format',
              message: 'must be a time such as 2026-12-31T09:00:00Z, or without an offset in time_zone',
            }
          : undefined,
    },
    time_zone: {
      description: 'An IANA name; UTC without it.',
      type: 'string',
      example: 'Europe/Berlin',
      [RULE]: (value) =>
        Zone.of(value as string) === undefined
          ? { code: 'not_allowed', message: 'is no time zone; use an IANA name such as Europe/Berlin' }
          : undefined,
    },
    gap: wordSchema(
      'A wall time that does not exist because clocks are set forward: the first instant after, or nothing.',
      ['next', 'skip'],
      'next',
    ),
    overlap_hour: wordSchema(
      'A wall time that comes twice because clocks are set back. Default `first`, but `both` for a cron expression of every hour.',
      ['first', 'both'],
    ),
    start_at: instant('Nothing is due before.'),
    end_at: instant('Nothing is due after.'),
  },
);

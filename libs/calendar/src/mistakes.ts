import { parseTime, unknownField } from '@batuta/contracts';
import type { MistakeCode } from '@batuta/contracts';
import { daysInMonth, parseWallTime } from './civil.js';
import { TIMETABLE_KINDS, WEEKDAYS } from './spec.js';
import type { TimetableSpec } from './spec.js';
import { timetableOf } from './timetable.js';
import { cronTimes } from './wall-times.js';
import { Zone } from './zone.js';

/** A mistake in a timetable, and its place (JSON Pointer). */
export interface TimetableMistake {
  readonly path: string;
  readonly code: MistakeCode;
  readonly message: string;
}

const FIELDS = new Set([...TIMETABLE_KINDS, 'time_zone', 'gap', 'overlap_hour', 'start_at', 'end_at']);
const LONGEST_CRON = 500;
export const SHORTEST_INTERVAL_MS = 1_000;
/** About 31 years. */
export const LONGEST_INTERVAL_MS = 1_000_000_000_000;
const MOST_ENTRIES = 100;

/** The lists of a calendar, with the smallest and largest number that each may contain. */
const RANGES = {
  seconds: [0, 59],
  minutes: [0, 59],
  hours: [0, 23],
  days_of_month: [-31, 31],
  weeks_of_month: [-5, 5],
  months: [1, 12],
  years: [1970, 2999],
} as const;
const CALENDAR_FIELDS = new Set([...Object.keys(RANGES), 'days_of_week']);
const COUNTED_FROM_BOTH_ENDS = new Set<string>(['days_of_month', 'weeks_of_month']);

type Report = (path: string, code: MistakeCode, message: string) => void;

/** One mistake for each unknown field of an object. `path` is the path of the object. */
export function unknownFields(value: object, known: ReadonlySet<string>, path: string): TimetableMistake[] {
  return Object.keys(value)
    .filter((name) => !known.has(name))
    .map((name) => unknownField(path, name, known));
}

/** All mistakes in a timetable that a user sent. If there is none, the value is a `TimetableSpec`. */
export function timetableMistakes(value: unknown): TimetableMistake[] {
  const found: TimetableMistake[] = [];
  const report: Report = (path, code, message) => found.push({ path, code, message });
  if (!isRecord(value)) {
    report('', 'wrong_type', 'must be an object');
    return found;
  }
  found.push(...unknownFields(value, FIELDS, ''));
  const kinds = TIMETABLE_KINDS.filter((kind) => value[kind] !== undefined);
  const names = 'cron, every_ms, calendar and at';
  if (kinds.length === 0) report('', 'required', `must have one of ${names}`);
  for (const kind of kinds.slice(1)) report(`/${kind}`, 'contradiction', `only one of ${names} may be given`);
  checkCron(value.cron, report);
  checkInterval(value.every_ms, report);
  checkCalendar(value.calendar, report);
  checkZone(value, report);
  checkTimes(value, report);
  if (found.length === 0 && timetableOf(value as TimetableSpec).next(-1) === undefined) {
    report(`/${kinds[0] ?? ''}`, 'contradiction', 'never comes');
  }
  return found;
}

function checkCron(cron: unknown, report: Report): void {
  if (cron === undefined) return;
  if (typeof cron !== 'string') return report('/cron', 'wrong_type', 'must be a text');
  if (cron.length > LONGEST_CRON) return report('/cron', 'too_long', `has more than ${LONGEST_CRON} characters`);
  try {
    cronTimes(cron);
  } catch (error) {
    report('/cron', 'bad_format', `is no cron expression: ${(error as Error).message.replace(/^CronPattern: /, '')}`);
  }
}

function checkInterval(every: unknown, report: Report): void {
  if (every === undefined) return;
  if (typeof every !== 'number') return report('/every_ms', 'wrong_type', 'must be a number');
  if (!Number.isInteger(every) || every < SHORTEST_INTERVAL_MS || every > LONGEST_INTERVAL_MS) {
    report(
      '/every_ms',
      'out_of_range',
      `must be a whole number from ${SHORTEST_INTERVAL_MS} to ${LONGEST_INTERVAL_MS}`,
    );
  }
}

function checkCalendar(calendar: unknown, report: Report): void {
  if (calendar === undefined) return;
  if (!isRecord(calendar)) return report('/calendar', 'wrong_type', 'must be an object');
  let sound = true;
  const add: Report = (path, code, message) => {
    sound = false;
    report(`/calendar${path}`, code, message);
  };
  for (const { path, code, message } of unknownFields(calendar, CALENDAR_FIELDS, '')) add(path, code, message);
  for (const [key, [low, high]] of Object.entries(RANGES)) {
    checkList(calendar[key], `/${key}`, add, (item, path) => {
      const zero = item === 0 && COUNTED_FROM_BOTH_ENDS.has(key);
      if (typeof item !== 'number') return add(path, 'wrong_type', 'must be a number');
      if (!Number.isInteger(item) || item < low || item > high || zero) {
        add(path, 'out_of_range', `must be a whole number from ${low} to ${high}${low < 0 ? ', but not 0' : ''}`);
      }
    });
  }
  checkList(calendar.days_of_week, '/days_of_week', add, (item, path) => {
    if (!WEEKDAYS.some((name) => name === item)) add(path, 'not_allowed', `must be one of ${WEEKDAYS.join(', ')}`);
  });
  if (calendar.weeks_of_month !== undefined && calendar.days_of_week === undefined) {
    add('/weeks_of_month', 'contradiction', 'has no effect without days_of_week');
  }
  if (sound) checkDates(calendar as { days_of_month?: number[]; months?: number[] }, add);
}

function checkDates(
  { days_of_month: days, months }: { days_of_month?: number[]; months?: number[] },
  add: Report,
): void {
  if (days === undefined || months === undefined) return;
  for (const [place, day] of days.entries()) {
    // A leap year, because 29 February exists in some years.
    if (months.some((month) => Math.abs(day) <= daysInMonth(2024, month))) continue;
    add(`/days_of_month/${place}`, 'contradiction', 'comes in none of these months');
  }
}

function checkList(list: unknown, path: string, report: Report, check: (item: unknown, path: string) => void): void {
  if (list === undefined) return;
  if (!Array.isArray(list)) return report(path, 'wrong_type', 'must be a list');
  if (list.length === 0) return report(path, 'too_few', 'must not be empty: leave it out to allow all');
  if (list.length > MOST_ENTRIES) return report(path, 'too_many', `has more than ${MOST_ENTRIES} entries`);
  for (const [place, item] of list.entries()) check(item, `${path}/${place}`);
}

function checkZone(value: Record<string, unknown>, report: Report): void {
  const { time_zone: zone, gap, overlap_hour: overlap, at } = value;
  if (zone !== undefined && typeof zone !== 'string') {
    report('/time_zone', 'wrong_type', 'must be a text');
  } else if (zone !== undefined && Zone.of(zone) === undefined) {
    report('/time_zone', 'not_allowed', 'is no time zone; use an IANA name such as Europe/Berlin');
  }
  if (gap !== undefined && gap !== 'next' && gap !== 'skip') report('/gap', 'not_allowed', 'must be next or skip');
  if (overlap !== undefined && overlap !== 'first' && overlap !== 'both') {
    report('/overlap_hour', 'not_allowed', 'must be first or both');
  }
  const absolute =
    value.every_ms !== undefined
      ? 'elapsed time does not depend on a time zone'
      : typeof at === 'string' && parseTime(at) !== undefined
        ? 'at has an offset already'
        : undefined;
  for (const key of ['time_zone', 'gap', 'overlap_hour']) {
    if (value[key] === undefined) continue;
    if (absolute !== undefined) {
      report(`/${key}`, 'contradiction', `has no effect: ${absolute}`);
    } else if (key !== 'time_zone' && zone === undefined) {
      report(`/${key}`, 'contradiction', 'has no effect in UTC, whose clocks are never set');
    }
  }
  if (at !== undefined && overlap === 'both') {
    report('/overlap_hour', 'contradiction', 'a single time comes once: leave it out or say first');
  }
}

function checkTimes(value: Record<string, unknown>, report: Report): void {
  const instant = (key: string): number | undefined => {
    const text = value[key];
    if (text === undefined) return undefined;
    const found = typeof text === 'string' ? parseTime(text) : undefined;
    if (typeof text !== 'string') report(`/${key}`, 'wrong_type', 'must be a text');
    else if (found === undefined) report(`/${key}`, 'bad_format', 'must be a time such as 2026-12-31T09:00:00Z');
    return found;
  };
  const start = instant('start_at');
  const end = instant('end_at');
  const { at } = value;
  if (start !== undefined && end !== undefined && end <= start) {
    report('/end_at', 'contradiction', 'must be later than start_at');
  }
  if (at === undefined) return;
  if (typeof at !== 'string') return report('/at', 'wrong_type', 'must be a text');
  if (parseTime(at) === undefined && parseWallTime(at) === undefined) {
    return report(
      '/at',
      'bad_format',
      'must be a time such as 2026-12-31T09:00:00Z, or without an offset in time_zone',
    );
  }
  for (const key of ['start_at', 'end_at'] as const) {
    if (value[key] !== undefined) report(`/${key}`, 'contradiction', 'has no effect beside a single time');
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

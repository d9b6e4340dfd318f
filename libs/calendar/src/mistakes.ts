import { parseTime } from '@batuta/contracts';
import type { Violation } from '@batuta/contracts';
import { documentCheck, isRecord, Report } from '@batuta/documents';
import { daysInMonth } from './civil.js';
import { TIMETABLE_KINDS } from './spec.js';
import type { TimetableSpec } from './spec.js';
import { TIMETABLE_SCHEMA } from './timetable-schema.js';
import { timetableOf } from './timetable.js';

const shape = documentCheck(TIMETABLE_SCHEMA);

/** All mistakes in a timetable that a user sent. If there is none, the value is a `TimetableSpec`. */
export function timetableMistakes(value: unknown): readonly Violation[] {
  const report = new Report();
  shape(value, '', report);
  timetableContradictions(shape.withoutNulls(value), '', report);
  return report.violations;
}

/** Reports what contradicts itself in a timetable. Its fields are checked by its schema. `path`: that of the timetable. */
export function timetableContradictions(value: unknown, path: string, report: Report): void {
  if (!isRecord(value)) return;
  const kinds = TIMETABLE_KINDS.filter((kind) => value[kind] !== undefined);
  const names = 'cron, every_ms, calendar and at';
  if (kinds.length === 0) report.add(path, 'required', `must have one of ${names}`);
  for (const kind of kinds.slice(1)) {
    report.add(`${path}/${kind}`, 'contradiction', `only one of ${names} may be given`);
  }
  if (isRecord(value['calendar'])) calendarContradictions(value['calendar'], `${path}/calendar`, report);
  zoneContradictions(value, path, report);
  timeContradictions(value, path, report);
  const isSound = !report.violations.some(({ path: place }) => place === path || place.startsWith(`${path}/`));
  if (isSound && timetableOf(value as TimetableSpec).next(-1) === undefined) {
    report.add(`${path}/${kinds[0] ?? ''}`, 'contradiction', 'never comes');
  }
}

type Fields = Readonly<Record<string, unknown>>;

const wholeNumbers = (value: unknown): readonly number[] | undefined =>
  Array.isArray(value) && value.every((item) => Number.isInteger(item)) ? (value as number[]) : undefined;

function calendarContradictions(calendar: Fields, path: string, report: Report): void {
  if (calendar['weeks_of_month'] !== undefined && calendar['days_of_week'] === undefined) {
    report.add(`${path}/weeks_of_month`, 'contradiction', 'has no effect without days_of_week');
  }
  const days = wholeNumbers(calendar['days_of_month']);
  const months = wholeNumbers(calendar['months'])?.filter((month) => month >= 1 && month <= 12);
  if (days === undefined || months === undefined || months.length === 0) return;
  for (const [place, day] of days.entries()) {
    // The schema reports a day that no month has. A leap year, because 29 February exists in some years.
    if (day === 0 || Math.abs(day) > 31) continue;
    if (months.some((month) => Math.abs(day) <= daysInMonth(2024, month))) continue;
    report.add(`${path}/days_of_month/${place}`, 'contradiction', 'comes in none of these months');
  }
}

function zoneContradictions(value: Fields, path: string, report: Report): void {
  const { time_zone: zone, overlap_hour: overlap, at } = value;
  const absolute =
    value['every_ms'] !== undefined
      ? 'elapsed time does not depend on a time zone'
      : typeof at === 'string' && parseTime(at) !== undefined
        ? 'at has an offset already'
        : undefined;
  for (const key of ['time_zone', 'gap', 'overlap_hour']) {
    if (value[key] === undefined) continue;
    if (absolute !== undefined) {
      report.add(`${path}/${key}`, 'contradiction', `has no effect: ${absolute}`);
    } else if (key !== 'time_zone' && zone === undefined) {
      report.add(`${path}/${key}`, 'contradiction', 'has no effect in UTC, whose clocks are never set');
    }
  }
  if (at !== undefined && overlap === 'both') {
    report.add(`${path}/overlap_hour`, 'contradiction', 'a single time comes once: leave it out or say first');
  }
}

function timeContradictions(value: Fields, path: string, report: Report): void {
  const instant = (key: string): number | undefined => {
    const text = value[key];
    return typeof text === 'string' ? parseTime(text) : undefined;
  };
  const start = instant('start_at');
  const end = instant('end_at');
  if (start !== undefined && end !== undefined && end <= start) {
    report.add(`${path}/end_at`, 'contradiction', 'must be later than start_at');
  }
  if (value['at'] === undefined) return;
  for (const key of ['start_at', 'end_at'] as const) {
    if (value[key] !== undefined) report.add(`${path}/${key}`, 'contradiction', 'has no effect beside a single time');
  }
}

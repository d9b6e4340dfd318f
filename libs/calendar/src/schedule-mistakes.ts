import type { JsonValue, Violation } from '@batuta/contracts';
import { documentCheck, isRecord, Report } from '@batuta/documents';
import { timetableContradictions } from './mistakes.js';
import { SCHEDULE_SCHEMA } from './schedule-schema.js';

const shape = documentCheck(SCHEDULE_SCHEMA);

/** All mistakes in a schedule that a user sent. If there is none, the value is a `ScheduleDefinition`. */
export function scheduleMistakes(value: unknown): readonly Violation[] {
  const report = new Report();
  shape(value, '', report);
  const given = shape.withoutNulls(value);
  if (!isRecord(given)) return report.violations;
  timetableContradictions(given['timetable'], '/timetable', report);
  if (isRecord(given['missed'])) missedContradictions(given['missed'], report);
  contradictions(given, report);
  return report.violations;
}

function missedContradictions(missed: Readonly<Record<string, unknown>>, report: Report): void {
  const { runs, limit, window_ms: window } = missed;
  if (limit !== undefined && runs !== 'all') {
    report.add('/missed/limit', 'contradiction', 'has no effect unless runs is all');
  }
  if (window !== undefined && runs === 'skip') {
    report.add('/missed/window_ms', 'contradiction', 'has no effect: all missed times are skipped');
  }
}

function contradictions(value: Readonly<Record<string, unknown>>, report: Report): void {
  const { buffer_limit: limit, overlap, timetable, jitter_ms: jitter, max_runs: runs } = value;
  if (limit !== undefined && overlap !== 'buffer_all') {
    report.add('/buffer_limit', 'contradiction', 'has no effect unless overlap is buffer_all');
  }
  if (!isRecord(timetable)) return;
  const { every_ms: every, at } = timetable;
  if (typeof every === 'number' && typeof jitter === 'number' && jitter >= every) {
    report.add('/jitter_ms', 'contradiction', 'must be shorter than the interval');
  }
  if (at !== undefined && typeof runs === 'number') {
    report.add('/max_runs', 'contradiction', 'has no effect: a single time comes once');
  }
}

/**
 * Removes the fields of a schedule that are null, because null means the same as an absent field. Nulls inside `input`
 * and `metadata` belong to the user and stay.
 */
export const withoutNulls = (value: JsonValue): JsonValue => shape.withoutNulls(value) as JsonValue;

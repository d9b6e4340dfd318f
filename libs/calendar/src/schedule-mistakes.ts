import {
  MISSED_POLICIES,
  OVERLAP_POLICIES,
  PRIORITIES,
  SCHEDULE_LIMITS,
  nameMistake,
  pointerToken,
  secretPointers,
} from '@batuta/contracts';
import type { JsonValue } from '@batuta/contracts';
import { timetableMistakes, unknownFields } from './mistakes.js';
import type { TimetableMistake } from './mistakes.js';

const FIELDS = new Set([
  'name',
  'config',
  'config_version',
  'timetable',
  'input',
  'session_id',
  'metadata',
  'priority',
  'jitter_ms',
  'overlap',
  'buffer_limit',
  'missed',
  'pause_on_failure',
  'max_runs',
]);
/** Fields whose values have fields that are checked here too. */
const HOLDING_FIELDS = new Set(['timetable', 'calendar', 'missed']);
const MISSED = new Set(['runs', 'window_ms', 'limit']);
const LARGEST_INT32 = 2_147_483_647;
const LONGEST_TEXT = 200;

type Report = (path: string, code: TimetableMistake['code'], message: string) => void;
type Body = Readonly<Record<string, unknown>>;

/** All mistakes in a schedule that a user sent. If there is none, the value is a `ScheduleDefinition`. */
export function scheduleMistakes(value: unknown): TimetableMistake[] {
  const found: TimetableMistake[] = [];
  const report: Report = (path, code, message) => found.push({ path, code, message });
  if (!isObject(value)) {
    report('', 'wrong_type', 'must be an object');
    return found;
  }
  found.push(...unknownFields(value, FIELDS, ''));
  name(value, 'name', report, true);
  name(value, 'config', report, true);
  name(value, 'session_id', report);
  whole(value, 'config_version', [1, LARGEST_INT32], report);
  if (value.timetable === undefined || value.timetable === null) {
    report('/timetable', 'required', 'must be there');
  } else {
    for (const mistake of timetableMistakes(value.timetable)) {
      found.push({ ...mistake, path: `/timetable${mistake.path}` });
    }
  }
  for (const path of value.input === undefined ? [] : secretPointers(value.input as JsonValue)) {
    report(`/input${path}`, 'secret_not_allowed', 'refers to a secret; only the input of a step may');
  }
  metadata(value.metadata, report);
  word(value, 'priority', PRIORITIES, report);
  word(value, 'overlap', OVERLAP_POLICIES, report);
  whole(value, 'jitter_ms', [0, SCHEDULE_LIMITS.jitterMs], report);
  whole(value, 'buffer_limit', [1, SCHEDULE_LIMITS.bufferLimit], report);
  whole(value, 'max_runs', [1, SCHEDULE_LIMITS.maxRuns], report);
  if (value.pause_on_failure !== undefined && typeof value.pause_on_failure !== 'boolean') {
    report('/pause_on_failure', 'wrong_type', 'must be true or false');
  }
  missed(value.missed, report);
  contradictions(value, report);
  return found;
}

function missed(value: unknown, report: Report): void {
  if (value === undefined) return;
  if (!isObject(value)) return report('/missed', 'wrong_type', 'must be an object');
  const inside: Report = (path, code, message) => report(`/missed${path}`, code, message);
  for (const { path, code, message } of unknownFields(value, MISSED, '')) inside(path, code, message);
  word(value, 'runs', MISSED_POLICIES, inside);
  whole(value, 'window_ms', [0, SCHEDULE_LIMITS.longestMissedWindowMs], inside);
  whole(value, 'limit', [1, SCHEDULE_LIMITS.missedLimit], inside);
  if (value.limit !== undefined && value.runs !== 'all') {
    inside('/limit', 'contradiction', 'has no effect unless runs is all');
  }
  if (value.window_ms !== undefined && value.runs === 'skip') {
    inside('/window_ms', 'contradiction', 'has no effect: all missed times are skipped');
  }
}

function contradictions(value: Body, report: Report): void {
  if (value.buffer_limit !== undefined && value.overlap !== 'buffer_all') {
    report('/buffer_limit', 'contradiction', 'has no effect unless overlap is buffer_all');
  }
  const { timetable, jitter_ms: jitter } = value;
  if (!isObject(timetable)) return;
  const { every_ms: every } = timetable;
  if (typeof every === 'number' && typeof jitter === 'number' && jitter >= every) {
    report('/jitter_ms', 'contradiction', 'must be shorter than the interval');
  }
  if (timetable.at !== undefined && typeof value.max_runs === 'number') {
    report('/max_runs', 'contradiction', 'has no effect: a single time comes once');
  }
}

/** Checks a name by the platform's general rule for names. */
function name(value: Body, key: string, report: Report, required = false): void {
  const found = value[key];
  if (found === undefined || found === null) {
    if (required) report(`/${key}`, 'required', 'must be there');
    return;
  }
  if (typeof found !== 'string') return report(`/${key}`, 'wrong_type', 'must be a text');
  const mistake = nameMistake(found, LONGEST_TEXT);
  if (mistake !== undefined) report(`/${key}`, mistake.code, mistake.message);
}

/** Checks the user's own fields. Their keys must be names. */
function metadata(value: unknown, report: Report): void {
  if (value === undefined) return;
  if (!isObject(value)) return report('/metadata', 'wrong_type', 'must be an object');
  for (const key of Object.keys(value)) {
    const mistake = nameMistake(key);
    if (mistake !== undefined) report(`/metadata/${pointerToken(key)}`, mistake.code, `the key ${mistake.message}`);
  }
}

function whole(value: Body, key: string, [low, high]: readonly [number, number], report: Report): void {
  const found = value[key];
  if (found === undefined) return;
  if (typeof found !== 'number') {
    report(`/${key}`, 'wrong_type', 'must be a number');
  } else if (!Number.isInteger(found) || found < low || found > high) {
    report(`/${key}`, 'out_of_range', `must be a whole number from ${low} to ${high}`);
  }
}

function word(value: Body, key: string, words: readonly string[], report: Report): void {
  const found = value[key];
  if (found === undefined || words.some((item) => item === found)) return;
  report(`/${key}`, 'not_allowed', `must be one of ${words.join(', ')}`);
}

/**
 * Removes the fields of a schedule that are null, because null means the same as an absent field. Nulls inside `input`
 * and `metadata` belong to the user and stay.
 */
export function withoutNulls(value: JsonValue): JsonValue {
  if (!isObject(value)) return value;
  const fields = Object.entries(value).filter(([, field]) => field !== null);
  return Object.fromEntries(
    fields.map(([key, field]) => [
      key,
      HOLDING_FIELDS.has(key) ? withoutNulls(field as JsonValue) : (field as JsonValue),
    ]),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

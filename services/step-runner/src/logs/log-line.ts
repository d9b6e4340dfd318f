export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'unknown'] as const;
export type LogLineLevel = (typeof LOG_LEVELS)[number];

/** One line of a log, taken apart. */
export interface LogLine {
  /** Epoch milliseconds; a time without a zone counts as UTC. */
  readonly at: number | undefined;
  readonly level: LogLineLevel;
  /** What is left without time and level. */
  readonly message: string;
}

// 2026-11-21T04:54:52.123+01:00, also with a space or comma, and PostgreSQL's "%m": a zone's name after a space.
const ISO =
  /^[[(]?(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?\s?(Z|UTC|GMT|[+-]\d\d:?\d\d|[A-Z]{3,4}(?= ))?[\])]?:?\s*/;
// <34>1 before the time: RFC 5424; <34> alone: RFC 3164.
const SYSLOG_PRIORITY = /^<(\d{1,3})>(?:1 )?/;
const SYSLOG = /^(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d) /;
// Common log format: [21/Nov/2026:04:54:52 +0000]
const COMMON =
  /\[(\d\d)\/(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})\]/;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const LEVEL_WORDS: Readonly<Record<string, LogLineLevel>> = {
  panic: 'fatal',
  fatal: 'fatal',
  emerg: 'fatal',
  emergency: 'fatal',
  alert: 'fatal',
  critical: 'fatal',
  crit: 'fatal',
  error: 'error',
  err: 'error',
  severe: 'error',
  warning: 'warn',
  warn: 'warn',
  notice: 'info',
  info: 'info',
  log: 'info',
  statement: 'info',
  detail: 'info',
  hint: 'info',
  context: 'info',
  debug: 'debug',
  debug1: 'debug',
  debug2: 'debug',
  debug3: 'debug',
  debug4: 'debug',
  debug5: 'debug',
  verbose: 'debug',
  trace: 'trace',
};
// In capitals anywhere in the head; in small letters only where it cannot be a word of the message.
const LEVEL =
  /^(fatal|error|warning|warn|info|debug|trace):|\b(PANIC|FATAL|EMERG|EMERGENCY|ALERT|CRITICAL|CRIT|ERROR|ERR|SEVERE|WARNING|WARN|NOTICE|INFO|LOG|STATEMENT|DETAIL|HINT|CONTEXT|DEBUG[1-5]?|VERBOSE|TRACE)\b:?|(?:\[|level[=:] ?"?)(panic|fatal|emerg|alert|critical|crit|error|err|severe|warning|warn|notice|info|debug|verbose|trace)\b\]?"?/i;
const HEAD = 160;

/** Takes a line apart: its time, level and message, in the formats of PostgreSQL, ISO times, syslog, web servers and pino. */
export function parseLogLine(line: string, now: number = Date.now()): LogLine {
  if (line.startsWith('{')) {
    const json = parseJsonLine(line);
    if (json !== undefined) return json;
  }
  let rest = line;
  let level: LogLineLevel | undefined;
  const priority = SYSLOG_PRIORITY.exec(rest);
  if (priority !== null) {
    level = syslogLevel(Number(priority[1]) % 8);
    rest = rest.slice(priority[0].length);
  }
  let at: number | undefined;
  const iso = ISO.exec(rest);
  if (iso !== null) {
    at = isoTime(iso);
    rest = rest.slice(iso[0].length);
  } else {
    const syslog = SYSLOG.exec(rest);
    if (syslog !== null) {
      at = syslogTime(syslog, now);
      rest = rest.slice(syslog[0].length);
    } else {
      const common = COMMON.exec(rest.slice(0, 400));
      if (common !== null) {
        at = commonTime(common);
        rest = rest.slice(0, common.index) + rest.slice(common.index + common[0].length);
      }
    }
  }
  const word = levelIn(rest);
  if (word !== undefined) {
    level ??= word.level;
    rest = rest.slice(0, word.start) + rest.slice(word.end);
  }
  return { at, level: level ?? 'unknown', message: rest.trim() };
}

function levelIn(rest: string): { level: LogLineLevel; start: number; end: number } | undefined {
  const found = LEVEL.exec(rest.slice(0, HEAD));
  if (found === null) return undefined;
  const [whole, leading, capital, bracketed] = found;
  // The pattern ignores case, so that one pass finds all; capitals are asked for here.
  if (capital !== undefined && capital !== capital.toUpperCase()) {
    const next = levelIn(rest.slice(found.index + whole.length));
    const shift = found.index + whole.length;
    return next === undefined ? undefined : { level: next.level, start: next.start + shift, end: next.end + shift };
  }
  const level = LEVEL_WORDS[(capital ?? bracketed ?? leading ?? '').toLowerCase()];
  return level === undefined ? undefined : { level, start: found.index, end: found.index + whole.length };
}

function isoTime(parts: RegExpExecArray): number | undefined {
  const [, year, month, day, hour, minute, second, fraction = '', zone = 'Z'] = parts;
  const ms = Number(fraction.slice(0, 3).padEnd(3, '0'));
  const at = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second), ms);
  return Number.isNaN(at) ? undefined : at - offsetOf(zone);
}

function commonTime(parts: RegExpExecArray): number {
  const [, day, month, year, hour, minute, second, zone = 'Z'] = parts;
  const at = Date.UTC(
    Number(year),
    MONTHS.indexOf(month ?? ''),
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  );
  return at - offsetOf(zone);
}

function syslogTime(parts: RegExpExecArray, now: number): number {
  const [, month, day, hour, minute, second] = parts;
  const year = new Date(now).getUTCFullYear();
  const at = (inYear: number): number =>
    Date.UTC(inYear, MONTHS.indexOf(month ?? ''), Number(day), Number(hour), Number(minute), Number(second));
  // The format has no year: a line from the future is one from last December.
  return at(year) > now + 86_400_000 ? at(year - 1) : at(year);
}

function offsetOf(zone: string): number {
  const parts = /^([+-])(\d\d):?(\d\d)$/.exec(zone);
  if (parts === null) return 0;
  const minutes = Number(parts[2]) * 60 + Number(parts[3]);
  return (parts[1] === '-' ? -minutes : minutes) * 60_000;
}

function syslogLevel(severity: number): LogLineLevel {
  if (severity <= 2) return 'fatal';
  if (severity === 3) return 'error';
  if (severity === 4) return 'warn';
  return severity === 7 ? 'debug' : 'info';
}

function parseJsonLine(line: string): LogLine | undefined {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const message = firstOf(entry, 'msg', 'message', 'event');
  const error = entry['err'] ?? entry['error'];
  const cause =
    typeof error === 'string'
      ? error
      : typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string'
        ? error.message
        : undefined;
  const text = [message, cause].filter((part) => typeof part === 'string' && part !== '').join(': ');
  return {
    at: jsonTime(firstOf(entry, 'time', 'timestamp', 'ts', '@timestamp')),
    level: jsonLevel(firstOf(entry, 'level', 'severity', 'lvl')),
    message: text === '' ? line : text,
  };
}

function firstOf(entry: Record<string, unknown>, ...names: string[]): unknown {
  for (const name of names) if (entry[name] !== undefined) return entry[name];
  return undefined;
}

function jsonTime(value: unknown): number | undefined {
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || value <= 0) return undefined;
    // Seconds, milliseconds, microseconds or nanoseconds, by size.
    if (value < 1e11) return value * 1e3;
    if (value < 1e14) return value;
    return value < 1e17 ? value / 1e3 : value / 1e6;
  }
  if (typeof value !== 'string') return undefined;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : at;
}

function jsonLevel(value: unknown): LogLineLevel {
  if (typeof value === 'string') return LEVEL_WORDS[value.toLowerCase()] ?? 'unknown';
  if (typeof value !== 'number') return 'unknown';
  // pino: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal
  if (value >= 60) return 'fatal';
  if (value >= 50) return 'error';
  if (value >= 40) return 'warn';
  if (value >= 30) return 'info';
  return value >= 20 ? 'debug' : 'trace';
}

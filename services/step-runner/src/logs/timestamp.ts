import { instantIn, isRegion, zoneMinutes } from './zones.js';

/** A time in the text of a log line. */
export interface Timestamp {
  /** Epoch milliseconds. Undefined for a time of day without a date. A time without a zone counts as UTC. */
  readonly at: number | undefined;
  /** Where the text continues. */
  readonly end: number;
  /** Whether the text contains the zone. */
  readonly zoned: boolean;
}

const DAY = 86_400_000;
const MONTHS = new Map(
  ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'].map((name, at) => [
    name,
    at + 1,
  ]),
);
const MONTH = '(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)';
const CLOCK = String.raw`(\d\d?):(\d\d):(\d\d)(?:[.,:](\d{1,9}))?( ?[AaPp][Mm]\b)?`;

// 28/Nov/2026:10:00:00 (web servers), 28-Nov-2026 10:00:00.123 (Tomcat, BIND, PHP), 28 Nov 2026 10:00:00 (Redis, log4j)
const DAY_MONTH_NAME = new RegExp(String.raw`(\d\d?)([-/ ])${MONTH}[a-z]*\2(\d{4})(?:[ T,]|::?) ?${CLOCK}`, 'iy');
// 11/28/2026 10:00:00 AM (Windows), 26/11/28 10:00:00 (Spark), 28.11.2026 10:00:00, 11/28/2026-10:00:00 (Suricata)
const NUMERIC = new RegExp(String.raw`(\d\d?)([/.])(\d\d?)\2(\d{4}|\d\d)[ ,-] ?${CLOCK}`, 'y');
// 20261128T100000Z, 20261128 10:00:00
const COMPACT = /(\d{4})(\d\d)(\d\d)(?:T(\d\d):?(\d\d):?(\d\d)|[ -](\d\d):(\d\d):(\d\d))(?:[.,](\d{1,9}))?(?!\d)/y;
// 261128 10:00:00 (MySQL 5.5), 261128 100000 (HDFS)
const SHORT = /(\d\d)(\d\d)(\d\d) {1,2}(?:(\d\d?):(\d\d):(\d\d)|(\d\d)(\d\d)(\d\d)(?= ))(?:[.,](\d{1,9}))?(?!\d)/y;
// 11-28 10:00:00.123 (Android)
const MONTH_DAY = /(\d\d)-(\d\d) {1,2}(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?!\d)/y;
// 1795860000.123 (Squid, Zeek), 1795860000123; ten digits below 2014 are more likely a number of the message
const EPOCH = /1[4-9]\d{8}(?:\.\d{1,9}|\d{3}(?:\d{3}){0,2})?(?=[\s\]:,|)]|$)/y;
// 10:00:00.123 (logback's default), 10:00AM (zerolog's console)
const TIME_OF_DAY = /\d\d?:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?[AP]M\b)?(?=[\s\],|)]|$)/y;
// Nov 28 10:00:00 (RFC 3164), Nov 28 2026 10:00:00 (Cisco), Nov 28, 2026 10:00:00 AM (java.util.logging, WebLogic)
const MONTH_NAME = new RegExp(String.raw`${MONTH}[a-z]* {1,2}(\d\d?)(?:,? (\d{4}),?| (?=\d\d:))? ?${CLOCK}`, 'iy');
// Sat Nov 28 10:00:00.123456 2026 (Apache), Sat Nov 28 10:00:00 UTC 2026 (date)
const WEEKDAY = /(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? /iy;
const YEAR_AFTER = /(?: ([A-Z]{3,4}|[+-]\d{4}))? (\d{4})(?!\d)/y;
// @4000000069298a0a1dcd6500 (TAI64N: daemontools, runit)
const TAI64N = /@([0-9a-f]{16})([0-9a-f]{8})(?![0-9a-f])/y;
const ZONE_NAME = /[A-Z]{1,4}(?![A-Za-z0-9_/])/y;
const REGION = /[A-Z][A-Za-z_]{1,20}\/[A-Z][A-Za-z_+-]{1,20}(?:\/[A-Z][A-Za-z_]{1,20})?(?![\w/])/y;
/** TAI is this many seconds ahead of UTC since 2017. daemontools itself uses 10. */
const TAI_SECONDS = 10;

/** The time that begins exactly at `from`. `now` provides the year for formats without one. */
export function timestampAt(text: string, from: number, now: number): Timestamp | undefined {
  const first = text.charCodeAt(from);
  if (isDigit(first)) {
    if (!isDigit(text.charCodeAt(from + 1))) return singleDigit(text, from);
    // A colon or a separator distinguishes most formats before any regular expression is tried.
    const fifth = text.charCodeAt(from + 4);
    if (fifth === 45 || fifth === 47 || fifth === 46) {
      const iso = isoAt(text, from);
      if (iso !== undefined) return iso;
    }
    return otherDigits(text, from, now);
  }
  if (first === 64) return taiAt(text, from);
  return isLetter(first) ? namedAt(text, from, now) : undefined;
}

function singleDigit(text: string, from: number): Timestamp | undefined {
  // 9:00, 9/12/2026, 9-Dec-2026, 9.12.2026, 9 Dec 2026
  const second = text.charCodeAt(from + 1);
  if (second !== 58 && second !== 47 && second !== 45 && second !== 46 && second !== 32) return undefined;
  return dayMonthName(text, from) ?? numeric(text, from) ?? timeOfDay(text, from);
}

function otherDigits(text: string, from: number, now: number): Timestamp | undefined {
  switch (text.charCodeAt(from + 2)) {
    case 58:
      return timeOfDay(text, from);
    case 45: // -
      return dayMonthName(text, from) ?? monthDay(text, from, now);
    case 47: // /
    case 32: // space
    case 46: // .
      return dayMonthName(text, from) ?? numeric(text, from);
    default:
      return isDigit(text.charCodeAt(from + 2))
        ? (epoch(text, from) ?? compact(text, from) ?? short(text, from))
        : undefined;
  }
}

/** `YYYY-MM-DD`, then a clock; also with `/` or `.` between, and with the space, `T`, `_`, `-`, `:`, tab or ` - ` in the middle. */
function isoAt(text: string, from: number): Timestamp | undefined {
  const separator = text.charCodeAt(from + 4);
  if (text.charCodeAt(from + 7) !== separator) return undefined;
  const year = digits(text, from, 4);
  const month = digits(text, from + 5, 2);
  const day = digits(text, from + 8, 2);
  if (year < 0 || month < 0 || day < 0) return undefined;
  let at = from + 10;
  switch (text.charCodeAt(at)) {
    case 84: // T
    case 116: // t
    case 95: // _
    case 45: // -
    case 58: // :
    case 9: // tab
      at += 1;
      break;
    case 32:
      at += text.startsWith(' - ', at) ? 3 : text.charCodeAt(at + 1) === 32 ? 2 : 1;
      break;
    default:
      return undefined;
  }
  const hour = digits(text, at, 2);
  const minute = digits(text, at + 3, 2);
  if (hour < 0 || minute < 0 || text.charCodeAt(at + 2) !== 58) return undefined;
  at += 5;
  let second = 0;
  let ms = 0;
  if (text.charCodeAt(at) === 58) {
    second = digits(text, at + 1, 2);
    if (second < 0) return undefined;
    at += 3;
    const mark = text.charCodeAt(at);
    if ((mark === 46 || mark === 44 || mark === 58) && isDigit(text.charCodeAt(at + 1))) {
      let end = at + 1;
      while (end < at + 11 && isDigit(text.charCodeAt(end))) end += 1;
      if (end <= at + 10) {
        ms = milliseconds(text.slice(at + 1, end));
        at = end;
      }
    }
  }
  const local = instant(year, month, day, hour, minute, second, ms);
  return local === undefined ? undefined : withZone(text, at, local);
}

function dayMonthName(text: string, from: number): Timestamp | undefined {
  const parts = match(DAY_MONTH_NAME, text, from);
  if (parts === null) return undefined;
  const [whole, day, , month = '', year, ...clock] = parts;
  return clocked(text, from + whole.length, Number(year), monthOf(month), Number(day), clock);
}

function numeric(text: string, from: number): Timestamp | undefined {
  const parts = match(NUMERIC, text, from);
  if (parts === null) return undefined;
  const [whole, first, separator, second, third = '', ...clock] = parts;
  let [a, b, c] = [Number(first), Number(second), Number(third)];
  // A two-digit year before the month can only be above 12 (Spark's yy/MM/dd).
  if (third.length === 2) {
    if (a > 12 && b <= 12) [a, b, c] = [b, c, 2000 + a];
    else c += 2000;
  }
  const [month, day] = separator === '.' || a > 12 ? [b, a] : [a, b];
  return clocked(text, from + whole.length, c, month, day, clock);
}

function compact(text: string, from: number): Timestamp | undefined {
  const parts = match(COMPACT, text, from);
  if (parts === null) return undefined;
  const [whole, year, month, day, h1, m1, s1, h2, m2, s2, fraction] = parts;
  const clock = [h1 ?? h2, m1 ?? m2, s1 ?? s2, fraction];
  return clocked(text, from + whole.length, Number(year), Number(month), Number(day), clock);
}

function short(text: string, from: number): Timestamp | undefined {
  const parts = match(SHORT, text, from);
  if (parts === null) return undefined;
  const [whole, year, month, day, h1, m1, s1, h2, m2, s2, fraction] = parts;
  const clock = [h1 ?? h2, m1 ?? m2, s1 ?? s2, fraction];
  return clocked(text, from + whole.length, 2000 + Number(year), Number(month), Number(day), clock);
}

function monthDay(text: string, from: number, now: number): Timestamp | undefined {
  const parts = match(MONTH_DAY, text, from);
  if (parts === null) return undefined;
  const [whole, month, day, ...clock] = parts;
  return yearless(text, from + whole.length, Number(month), Number(day), clock, now);
}

function epoch(text: string, from: number): Timestamp | undefined {
  const parts = match(EPOCH, text, from);
  if (parts === null) return undefined;
  return { at: epochTime(Number(parts[0])), end: from + parts[0].length, zoned: true };
}

function timeOfDay(text: string, from: number): Timestamp | undefined {
  const parts = match(TIME_OF_DAY, text, from);
  return parts === null ? undefined : { at: undefined, end: from + parts[0].length, zoned: false };
}

function taiAt(text: string, from: number): Timestamp | undefined {
  const parts = match(TAI64N, text, from);
  if (parts === null) return undefined;
  const [whole, seconds = '', nanoseconds = ''] = parts;
  const unix = Number(BigInt(`0x${seconds}`) - 2n ** 62n) - TAI_SECONDS;
  const at = plausible(unix * 1_000 + Math.floor(Number.parseInt(nanoseconds, 16) / 1e6));
  return at === undefined ? undefined : { at, end: from + whole.length, zoned: true };
}

/** The first letters of the names of months and days. */
const NAMES = new Set(
  [...MONTHS.keys(), 'mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'].flatMap((name) => [
    name.charAt(0).toUpperCase() + name.slice(1),
    name.toUpperCase(),
  ]),
);

function namedAt(text: string, from: number, now: number): Timestamp | undefined {
  if (!NAMES.has(text.slice(from, from + 3))) return undefined;
  const weekday = match(WEEKDAY, text, from);
  if (weekday !== null) {
    const start = from + weekday[0].length;
    const found = timestampAt(text, start, now);
    if (found === undefined || !isLetter(text.charCodeAt(start))) return found;
    return yearAfter(text, start, found, now);
  }
  const parts = match(MONTH_NAME, text, from);
  if (parts === null) return undefined;
  const [whole, name = '', day, year, ...clock] = parts;
  const end = from + whole.length;
  return year === undefined
    ? yearless(text, end, monthOf(name), Number(day), clock, now)
    : clocked(text, end, Number(year), monthOf(name), Number(day), clock);
}

/** `Nov 28 10:00:00 2026`: the year follows the clock. */
function yearAfter(text: string, start: number, found: Timestamp, now: number): Timestamp | undefined {
  const parts = match(MONTH_NAME, text, start);
  if (parts === null) return found;
  const [whole, name = '', day, year, ...clock] = parts;
  if (year !== undefined) return found;
  const after = match(YEAR_AFTER, text, start + whole.length);
  if (after === null) return yearless(text, start + whole.length, monthOf(name), Number(day), clock, now);
  const [rest, zone = '', later] = after;
  const local = localTime(Number(later), monthOf(name), Number(day), clock);
  if (local === undefined) return undefined;
  const end = start + whole.length + rest.length;
  const minutes = zone === '' ? undefined : (zoneMinutes(zone) ?? offsetMinutes(zone));
  return { at: local - (minutes ?? 0) * 60_000, end, zoned: minutes !== undefined };
}

/** The format has no year. If the time would be in the future, it belongs to an earlier year. */
function yearless(
  text: string,
  end: number,
  month: number,
  day: number,
  clock: readonly (string | undefined)[],
  now: number,
): Timestamp | undefined {
  const latest = new Date(now).getUTCFullYear();
  // The last 29 February may be eight years ago.
  for (let year = latest + 1; year > latest - 9; year--) {
    const local = localTime(year, month, day, clock);
    if (local !== undefined && local <= now + DAY) return withZone(text, end, local);
  }
  return undefined;
}

function clocked(
  text: string,
  end: number,
  year: number,
  month: number,
  day: number,
  clock: readonly (string | undefined)[],
): Timestamp | undefined {
  const local = localTime(year, month, day, clock);
  return local === undefined ? undefined : withZone(text, end, local);
}

function localTime(
  year: number,
  month: number,
  day: number,
  [hour, minute, second, fraction = '', half]: readonly (string | undefined)[],
): number | undefined {
  let hours = Number(hour);
  if (half !== undefined) hours = (hours % 12) + (/p/i.test(half) ? 12 : 0);
  return instant(year, month, day, hours, Number(minute), Number(second), milliseconds(fraction));
}

/** Reads the zone after a time: `Z`, `+01:00`, `-0300`, PostgreSQL's `-03`, `EST`, `UTC+1`, `Europe/Berlin`. */
function withZone(text: string, clockEnd: number, local: number): Timestamp {
  const unzoned = { at: local, end: clockEnd, zoned: false };
  let at = clockEnd;
  const spaced = text.charCodeAt(at) === 32;
  if (spaced) at += 1;
  const first = text.charCodeAt(at);
  if (first === 43 || first === 45) return offsetAfter(text, at, local, spaced) ?? unzoned;
  if (!(first >= 65 && first <= 90) && first !== 122) return unzoned;
  if (first === 122) {
    return spaced || isWord(text.charCodeAt(at + 1)) ? unzoned : { at: local, end: at + 1, zoned: true };
  }
  const name = match(ZONE_NAME, text, at)?.[0];
  const minutes = name === undefined ? undefined : zoneMinutes(name);
  if (name !== undefined && minutes !== undefined) {
    const end = at + name.length;
    const sign = text.charCodeAt(end);
    if (minutes === 0 && (sign === 43 || sign === 45)) {
      const offset = offsetAfter(text, end, local, false);
      if (offset !== undefined) return offset;
    }
    return { at: local - minutes * 60_000, end, zoned: true };
  }
  if (!spaced) return unzoned;
  const region = match(REGION, text, at)?.[0];
  if (region === undefined || !isRegion(region)) return unzoned;
  return { at: instantIn(region, local), end: at + region.length, zoned: true };
}

const OFFSET = /[+-]\d\d?(?::?\d\d)?(?![\d:.]|\w)/y;

function offsetAfter(text: string, at: number, local: number, spaced: boolean): Timestamp | undefined {
  const found = match(OFFSET, text, at)?.[0];
  if (found === undefined) return undefined;
  // After a space, a single digit is more likely a number of the message.
  if (spaced && found.length < 3) return undefined;
  const minutes = offsetMinutes(found);
  return minutes === undefined ? undefined : { at: local - minutes * 60_000, end: at + found.length, zoned: true };
}

function offsetMinutes(zone: string): number | undefined {
  const parts = /^([+-])(\d\d?)(?::?(\d\d))?$/.exec(zone);
  if (parts === null) return undefined;
  const [, sign, hours, minutes = '0'] = parts;
  const ahead = Number(hours) * 60 + Number(minutes);
  if (ahead > 14 * 60 || Number(minutes) > 59) return undefined;
  return sign === '-' ? -ahead : ahead;
}

/**
 * The instant of a date and time in UTC. Undefined for dates and times that do not exist. A leap second counts as the
 * second before.
 */
function instant(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
  ms: number,
): number | undefined {
  if (month < 1 || month > 12 || day < 1 || hour > 24 || minute > 59 || second > 60) return undefined;
  if (day > 28 && day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return undefined;
  if (hour === 24 && (minute > 0 || second > 0)) return undefined;
  return plausible(Date.UTC(year, month - 1, day, hour, minute, Math.min(second, 59), ms));
}

const EARLIEST = Date.UTC(1971, 0, 1);
const LATEST = Date.UTC(2200, 0, 1);

/** No program logs in the year 1 (an unset time) or in the far future, so such a number is not a time. */
function plausible(at: number): number | undefined {
  return at >= EARLIEST && at < LATEST ? at : undefined;
}

/**
 * Epoch seconds, milliseconds, microseconds or nanoseconds, distinguished by size. Undefined for numbers that are not a
 * time after 2001.
 */
export function epochTime(value: number): number | undefined {
  if (value >= 1e9 && value < 7e9) return Math.round(value * 1e3);
  if (value >= 1e12 && value < 7e12) return Math.floor(value);
  if (value >= 1e15 && value < 7e15) return Math.floor(value / 1e3);
  return value >= 1e18 && value < 7e18 ? Math.floor(value / 1e6) : undefined;
}

/** The time of a whole text, independent of the process's zone. A time without a zone counts as UTC. */
export function timeOfText(value: string, now: number): Timestamp | undefined {
  if (value.length > 64) return undefined;
  const text = value.trim();
  const start = text.startsWith('[') ? 1 : 0;
  const found = timestampAt(text, start, now);
  if (found?.at === undefined) return dateOnly(text);
  const rest = text.slice(found.end).trim();
  // Go's time.String() ends with the zone's name and its monotonic clock.
  return rest === '' || rest === ']' || /^(?:[A-Z]{3,4})?(?: m=[+-][\d.]+)?$/.test(rest) ? found : undefined;
}

function dateOnly(text: string): Timestamp | undefined {
  const legacy = /^\/Date\((\d{12,13})(?:[+-]\d{4})?\)\/$/.exec(text)?.[1];
  if (legacy === undefined) return undefined;
  return { at: epochTime(Number(legacy)), end: text.length, zoned: true };
}

function milliseconds(fraction: string): number {
  return fraction === '' ? 0 : Number(fraction.slice(0, 3).padEnd(3, '0'));
}

function monthOf(name: string): number {
  return MONTHS.get(name.slice(0, 3).toLowerCase()) ?? 0;
}

/** The number with exactly `count` digits, or -1 when a character is not a digit. */
function digits(text: string, from: number, count: number): number {
  let value = 0;
  for (let at = from; at < from + count; at++) {
    const code = text.charCodeAt(at);
    if (!isDigit(code)) return -1;
    value = value * 10 + code - 48;
  }
  return value;
}

function match(expression: RegExp, text: string, from: number): RegExpExecArray | null {
  expression.lastIndex = from;
  return expression.exec(text);
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isLetter(code: number): boolean {
  return (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
}

function isWord(code: number): boolean {
  return isDigit(code) || isLetter(code) || code === 95;
}

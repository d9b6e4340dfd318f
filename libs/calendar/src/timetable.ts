import { parseTime } from '@batuta/contracts';
import { DAY, parseWallTime } from './civil.js';
import type { GapRule, OverlapRule, TimetableSpec } from './spec.js';
import { calendarTimes, cronTimes, firesInEveryHour, singleTime } from './wall-times.js';
import type { WallTimes } from './wall-times.js';
import { Zone } from './zone.js';

/** A timetable that is ready for use. */
export interface Timetable {
  /** The first firing after an instant. Undefined when there is none. Epoch ms. */
  next(after: number): number | undefined;
}

/** Clocks have never changed by more than a day, so the two occurrences of a repeated hour are within two days. */
const LONGEST_OVERLAP = 2 * DAY;
/** Earlier instants are not needed, and time zones are unreliable there. */
const EARLIEST = 0;

interface Rules {
  readonly gap: GapRule;
  readonly overlap: OverlapRule;
}

/** Creates a timetable from a spec for which `timetableMistakes` finds no mistake. @throws Error for any other spec. */
export function timetableOf(spec: TimetableSpec): Timetable {
  const start = spec.start_at === undefined ? EARLIEST : time(spec.start_at);
  const end = spec.end_at === undefined ? Infinity : time(spec.end_at);
  const next = unbounded(spec, spec.start_at === undefined ? 0 : start);
  return {
    next(after) {
      const found = next(Math.max(after, start - 1));
      return found === undefined || found > end ? undefined : found;
    },
  };
}

/** The next `count` firings after an instant. */
export function upcoming(timetable: Timetable, after: number, count: number): number[] {
  const found: number[] = [];
  for (let at = timetable.next(after); at !== undefined && found.length < count; at = timetable.next(at)) {
    found.push(at);
  }
  return found;
}

function unbounded(spec: TimetableSpec, anchor: number): (after: number) => number | undefined {
  const { every_ms: every, at } = spec;
  if (every !== undefined) return (after) => anchor + (Math.floor((after - anchor) / every) + 1) * every;
  const instant = at === undefined ? undefined : parseTime(at);
  if (instant !== undefined) return (after) => (after < instant ? instant : undefined);
  const zone = Zone.of(spec.time_zone ?? 'UTC');
  if (zone === undefined) throw new Error(`there is no time zone ${spec.time_zone ?? ''}`);
  const rules: Rules = { gap: spec.gap ?? 'next', overlap: spec.overlap_hour ?? defaultOverlap(spec) };
  const walls = wallTimesOf(spec);
  return (after) => nextInZone(walls, zone, rules, after);
}

function defaultOverlap({ cron }: TimetableSpec): OverlapRule {
  return cron !== undefined && firesInEveryHour(cron) ? 'both' : 'first';
}

function wallTimesOf({ cron, calendar, at }: TimetableSpec): WallTimes {
  if (cron !== undefined) return cronTimes(cron);
  if (calendar !== undefined) return calendarTimes(calendar);
  const wall = parseWallTime(at ?? '');
  if (wall === undefined) throw new Error('a timetable needs one of cron, every_ms, calendar and at');
  return singleTime(wall);
}

/**
 * The first instant after `after` at which the zone's clocks show one of these wall times. The search goes from one
 * change of clocks to the next, because wall time and elapsed time run alike between two changes.
 */
function nextInZone(walls: WallTimes, zone: Zone, { gap, overlap }: Rules, after: number): number | undefined {
  let from = after + 1;
  for (;;) {
    const set = zone.transitionBefore(from, LONGEST_OVERLAP);
    const offset = set?.after ?? zone.offsetAt(from);
    let wall = walls.from(from + offset);
    if (set !== undefined) {
      if (set.at === from && set.after > set.before && gap === 'next') {
        const missing = walls.from(set.at + set.before);
        if (missing !== undefined && missing < set.at + set.after) return set.at;
      }
      const repeatedUntil = set.at + set.before;
      if (overlap === 'first' && wall !== undefined && wall < repeatedUntil) wall = walls.from(repeatedUntil);
    }
    const at = wall === undefined ? undefined : wall - offset;
    const turn = zone.transitionAfter(from, at ?? from + LONGEST_OVERLAP);
    if (turn === undefined) return at;
    from = turn.at;
  }
}

function time(text: string): number {
  const found = parseTime(text);
  if (found === undefined) throw new Error(`${text} is no RFC 3339 time`);
  return found;
}

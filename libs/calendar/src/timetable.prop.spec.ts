import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { HOUR, MINUTE, civilDay, daysOf, weekday } from './civil.js';
import type { TimetableSpec } from './spec.js';
import { timetableOf, upcoming } from './timetable.js';

/** Nights with a change of clocks, and their zones: forward and back, by an hour, half an hour and a day. */
const NIGHTS = [
  ['America/Sao_Paulo', '2018-11-04T03:00:00Z'],
  ['America/Sao_Paulo', '2019-02-17T02:00:00Z'],
  ['Australia/Lord_Howe', '2024-04-06T15:00:00Z'],
  ['Australia/Lord_Howe', '2024-10-05T15:30:00Z'],
  ['Pacific/Apia', '2011-12-30T10:00:00Z'],
  ['Europe/Berlin', '2026-03-29T01:00:00Z'],
  ['Europe/Berlin', '2026-10-25T01:00:00Z'],
  ['America/New_York', '2026-11-01T06:00:00Z'],
  ['Africa/Casablanca', '2024-03-10T02:00:00Z'],
  ['Asia/Kathmandu', '2024-01-01T00:00:00Z'],
] as const;

const field = (low: number, high: number): fc.Arbitrary<number[] | undefined> =>
  fc.option(fc.uniqueArray(fc.integer({ min: low, max: high }), { minLength: 1, maxLength: 5 }), { nil: undefined });

const cronText = (minutes: number[], hours: number[] | undefined, days: number[] | undefined): string =>
  `${minutes.join(',')} ${hours?.join(',') ?? '*'} ${days?.join(',') ?? '*'} * *`;

/**
 * Walks through every minute and compares the local clock with the expression. It uses only the definition of the
 * rules.
 */
function byTheMinute(
  zone: string,
  from: number,
  until: number,
  fits: (wall: number) => boolean,
  gap: string,
  overlap: string,
): number[] {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  });
  const wallOf = (at: number): number => {
    const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
    return Date.UTC(parts.year ?? 0, (parts.month ?? 1) - 1, parts.day, parts.hour, parts.minute);
  };
  const due: number[] = [];
  const shown = new Set<number>();
  for (let at = from - 26 * HOUR; at < until; at += MINUTE) {
    const wall = wallOf(at);
    const before = wallOf(at - MINUTE);
    let missed = false;
    for (let skipped = before + MINUTE; skipped < wall; skipped += MINUTE) missed ||= fits(skipped);
    const repeated = shown.has(wall);
    shown.add(wall);
    const now = fits(wall) && !(repeated && overlap === 'first');
    if (at >= from && (now || (missed && gap === 'next'))) due.push(at);
  }
  return due;
}

test('around changes of clocks, cron and calendar fire exactly at the times that a walk through every minute finds', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...NIGHTS),
      fc.integer({ min: -20 * 60, max: 20 * 60 }),
      fc.record({ minutes: field(0, 59).map((found) => found ?? [0]), hours: field(0, 23), days: field(1, 31) }),
      fc.constantFrom('next', 'skip'),
      fc.constantFrom('first', 'both'),
      fc.boolean(),
      ([zone, night], shift, { minutes, hours, days }, gap, overlap, asCron) => {
        const from = Date.parse(night) + shift * MINUTE;
        const until = from + 50 * HOUR;
        const rules = { time_zone: zone, gap, overlap_hour: overlap } as const;
        const allHours = Array.from({ length: 24 }, (_, hour) => hour);
        const spec: TimetableSpec = asCron
          ? { cron: cronText(minutes, hours, days), ...rules }
          : {
              calendar: { minutes, hours: hours ?? allHours, ...(days === undefined ? {} : { days_of_month: days }) },
              ...rules,
            };
        const fits = (wall: number): boolean => {
          const clock = new Date(wall);
          return (
            minutes.includes(clock.getUTCMinutes()) &&
            hours?.includes(clock.getUTCHours()) !== false &&
            days?.includes(clock.getUTCDate()) !== false
          );
        };
        const table = timetableOf(spec);
        const found: number[] = [];
        for (let at = table.next(from - 1) ?? until; at < until; at = table.next(at) ?? until) found.push(at);
        expect(found).toEqual(byTheMinute(zone, from, until, fits, gap, overlap));
      },
    ),
    { numRuns: 40 },
  );
});

test('the next time increases, is later than the given instant, and is the same for every instant in between', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('Europe/Berlin', 'America/Sao_Paulo', 'Asia/Tokyo', 'UTC', 'Africa/Casablanca', 'Asia/Tehran'),
      fc.integer({ min: Date.UTC(2005, 0, 1), max: Date.UTC(2035, 0, 1) }),
      fc.constantFrom(
        '*/7 * * * *',
        '0 */5 * * *',
        '30 2 * * *',
        '15 0 1 * *',
        '0 0 * * 0',
        '59 23 31 12 *',
        '*/20 * * * * *',
      ),
      fc.constantFrom('next', 'skip'),
      fc.constantFrom('first', 'both'),
      (zone, from, cron, gap, overlap) => {
        const table = timetableOf({ cron, time_zone: zone, gap, overlap_hour: overlap } as TimetableSpec);
        let before = from;
        for (const at of upcoming(table, from, 10)) {
          expect(at).toBeGreaterThan(before);
          expect(table.next(at - 1)).toBe(at);
          expect(table.next(Math.floor((before + at) / 2))).toBe(at);
          before = at;
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('days and dates convert into each other, as in the platform’s calendar', () => {
  fc.assert(
    fc.property(fc.integer({ min: -1_000_000, max: 1_000_000 }), (days) => {
      const civil = civilDay(days);
      expect(daysOf(civil)).toBe(days);
      const date = new Date(days * 86_400_000);
      expect([civil.year, civil.month, civil.day]).toEqual([
        date.getUTCFullYear(),
        date.getUTCMonth() + 1,
        date.getUTCDate(),
      ]);
      expect(weekday(days) % 7).toBe(date.getUTCDay());
    }),
  );
});

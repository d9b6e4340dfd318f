import { describe, expect, test } from '@jest/globals';
import { jitterOf } from './jitter.js';
import { timetableMistakes } from './mistakes.js';
import type { TimetableSpec } from './spec.js';
import { timetableOf, upcoming } from './timetable.js';

const due = (spec: TimetableSpec, from: string, count = 4): string[] => {
  expect(timetableMistakes(spec)).toEqual([]);
  return upcoming(timetableOf(spec), Date.parse(from) - 1, count).map((at) =>
    new Date(at).toISOString().replace(':00.000Z', 'Z'),
  );
};

describe('changes of clocks', () => {
  const saoPaulo = { cron: '0 0 * * *', time_zone: 'America/Sao_Paulo' };

  test('a midnight that does not exist (São Paulo, 2018-11-04) fires at the first instant of its day', () => {
    expect(due(saoPaulo, '2018-11-03T03:00:00Z', 3)).toEqual([
      '2018-11-03T03:00Z',
      '2018-11-04T03:00Z',
      '2018-11-05T02:00Z',
    ]);
  });

  test('a midnight that does not exist is skipped when the rule says so', () => {
    expect(due({ ...saoPaulo, gap: 'skip' }, '2018-11-03T03:00:00Z', 2)).toEqual([
      '2018-11-03T03:00Z',
      '2018-11-05T02:00Z',
    ]);
  });

  test('half past eleven, which comes twice (São Paulo, 2019-02-16), fires once, or twice when the rule says so', () => {
    const late = { cron: '30 23 * * *', time_zone: 'America/Sao_Paulo' };
    expect(due(late, '2019-02-17T00:00:00Z', 2)).toEqual(['2019-02-17T01:30Z', '2019-02-18T02:30Z']);
    expect(due({ ...late, overlap_hour: 'both' }, '2019-02-17T00:00:00Z', 3)).toEqual([
      '2019-02-17T01:30Z',
      '2019-02-17T02:30Z',
      '2019-02-18T02:30Z',
    ]);
  });

  test('a change of half an hour (Lord Howe) neither loses nor doubles a quarter of an hour', () => {
    const quarters = { cron: '*/15 * * * *', time_zone: 'Australia/Lord_Howe' };
    for (const night of ['2024-04-06T14:00:00Z', '2024-10-05T14:00:00Z']) {
      const found = upcoming(timetableOf(quarters), Date.parse(night) - 1, 20);
      expect(found.slice(1).map((at, place) => at - (found[place] ?? 0))).toEqual(
        Array.from({ length: 19 }, () => 900_000),
      );
    }
    // 02:00–02:29 does not exist on that night. One firing replaces those that would fall there.
    expect(due({ cron: '10,20 2 * * *', time_zone: 'Australia/Lord_Howe' }, '2024-10-05T14:00:00Z', 3)).toEqual([
      '2024-10-05T15:30Z',
      '2024-10-06T15:10Z',
      '2024-10-06T15:20Z',
    ]);
  });

  test('a day that does not exist (Apia, 2011-12-30) is one gap', () => {
    const noon = { cron: '0 12 * * *', time_zone: 'Pacific/Apia' };
    expect(due({ ...noon, gap: 'skip' }, '2011-12-29T22:00:00Z', 2)).toEqual([
      '2011-12-29T22:00Z',
      '2011-12-30T22:00Z',
    ]);
    expect(due(noon, '2011-12-29T22:00:00Z', 3)).toEqual([
      '2011-12-29T22:00Z',
      '2011-12-30T10:00Z',
      '2011-12-30T22:00Z',
    ]);
  });

  test('the whole gap of a minutely expression gives one firing, together with the one that is due at its end', () => {
    const minutely = { cron: '* * * * *', time_zone: 'Europe/Berlin' };
    expect(due(minutely, '2026-03-29T00:58:00Z', 4)).toEqual([
      '2026-03-29T00:58Z',
      '2026-03-29T00:59Z',
      '2026-03-29T01:00Z',
      '2026-03-29T01:01Z',
    ]);
  });

  test('a minutely expression does not pause for the hour that comes twice', () => {
    const minutely = { cron: '* * * * *', time_zone: 'Europe/Berlin' };
    const found = upcoming(timetableOf(minutely), Date.parse('2026-10-25T00:00:00Z'), 180);
    expect((found.at(-1) ?? 0) - (found[0] ?? 0)).toBe(179 * 60_000);
    const once = upcoming(timetableOf({ ...minutely, overlap_hour: 'first' }), Date.parse('2026-10-25T00:00:00Z'), 180);
    expect((once.at(-1) ?? 0) - (once[0] ?? 0)).toBe(239 * 60_000);
  });

  test('a weekly firing keeps its wall time across the change in October', () => {
    const weekly = { calendar: { days_of_week: ['mon'], hours: [9] }, time_zone: 'Europe/London' } as const;
    expect(due(weekly, '2026-10-19T00:00:00Z', 2)).toEqual(['2026-10-19T08:00Z', '2026-10-26T09:00Z']);
  });

  test('a single wall time follows the same rules', () => {
    expect(due({ at: '2026-03-29T02:30', time_zone: 'Europe/Berlin' }, '2026-01-01T00:00:00Z')).toEqual([
      '2026-03-29T01:00Z',
    ]);
    expect(due({ at: '2026-10-25T02:30', time_zone: 'Europe/Berlin' }, '2026-01-01T00:00:00Z')).toEqual([
      '2026-10-25T00:30Z',
    ]);
    expect(due({ at: '2026-10-25T02:30:00+02:00' }, '2026-01-01T00:00:00Z')).toEqual(['2026-10-25T00:30Z']);
  });
});

describe('months and years', () => {
  test('the last day of each month', () => {
    const ends = ['2024-01-31T00:00Z', '2024-02-29T00:00Z', '2024-03-31T00:00Z', '2024-04-30T00:00Z'];
    expect(due({ calendar: { days_of_month: [-1] } }, '2024-01-01T00:00:00Z')).toEqual(ends);
    expect(due({ cron: '0 0 L * *' }, '2024-01-01T00:00:00Z')).toEqual(ends);
  });

  test('the 31st skips months without one', () => {
    expect(due({ cron: '0 0 31 * *' }, '2026-01-01T00:00:00Z', 3)).toEqual([
      '2026-01-31T00:00Z',
      '2026-03-31T00:00Z',
      '2026-05-31T00:00Z',
    ]);
  });

  test('29 February comes in leap years only, and not in 2100', () => {
    const leap = ['2096-02-29T00:00Z', '2104-02-29T00:00Z'];
    expect(due({ cron: '0 0 29 2 *' }, '2096-01-01T00:00:00Z', 2)).toEqual(leap);
    expect(due({ calendar: { months: [2], days_of_month: [29] } }, '2096-01-01T00:00:00Z', 2)).toEqual(leap);
  });

  test('the last Friday and the first Monday of a month', () => {
    expect(due({ calendar: { days_of_week: ['fri'], weeks_of_month: [-1] } }, '2026-01-01T00:00:00Z', 2)).toEqual([
      '2026-01-30T00:00Z',
      '2026-02-27T00:00Z',
    ]);
    expect(due({ calendar: { days_of_week: ['mon'], weeks_of_month: [1] } }, '2026-06-01T00:00:00Z', 2)).toEqual([
      '2026-06-01T00:00Z',
      '2026-07-06T00:00Z',
    ]);
  });

  test('a listed year does not come again', () => {
    expect(due({ calendar: { years: [2027], months: [12], days_of_month: [31] } }, '2026-01-01T00:00:00Z')).toEqual([
      '2027-12-31T00:00Z',
    ]);
  });
});

describe('mistakes of other schedulers', () => {
  test('an interval keeps its rhythm, however late the next time is computed (kubernetes #42649: the next run counted from now)', () => {
    const hourly = timetableOf({ every_ms: 3_600_000, start_at: '2026-01-01T00:10:00Z' });
    const late = Date.parse('2026-01-01T05:47:12.345Z');
    expect(hourly.next(late)).toBe(Date.parse('2026-01-01T06:10:00Z'));
  });

  test('the end is included, and later times are not (airflow #35272)', () => {
    const spec = { cron: '0 0 * * *', start_at: '2026-01-01T00:00:00Z', end_at: '2026-01-03T00:00:00Z' };
    expect(due(spec, '2025-06-01T00:00:00Z', 9)).toEqual([
      '2026-01-01T00:00Z',
      '2026-01-02T00:00Z',
      '2026-01-03T00:00Z',
    ]);
  });

  test('an instant between two firings finds the later one, never the earlier one (BullMQ #3262, node-cron #563)', () => {
    const table = timetableOf({ cron: '0 0 * * * *' });
    const hour = Date.parse('2026-05-05T10:00:00Z');
    expect(table.next(hour - 1)).toBe(hour);
    expect(table.next(hour)).toBe(hour + 3_600_000);
    expect(table.next(hour + 1)).toBe(hour + 3_600_000);
    expect(table.next(hour + 999)).toBe(hour + 3_600_000);
  });

  test('a server clock that was set back finds the same times again, with the same ids (pg_cron #105)', () => {
    const table = timetableOf({ cron: '*/5 * * * *' });
    const before = upcoming(table, Date.parse('2026-01-01T00:00:00Z'), 6);
    expect(upcoming(table, Date.parse('2026-01-01T00:00:00Z'), 6)).toEqual(before);
  });

  test('an hour list and a zone east of the date line do not shift days (airflow #30088)', () => {
    const spec = { cron: '0 8 * * 1', time_zone: 'Pacific/Kiritimati' };
    expect(due(spec, '2026-01-01T00:00:00Z', 2)).toEqual(['2026-01-04T18:00Z', '2026-01-11T18:00Z']);
  });
});

describe('contradictions are refused', () => {
  const mistakes = (spec: unknown): string[] => timetableMistakes(spec).map(({ path, code }) => `${path} ${code}`);

  test.each<[string, unknown, string[]]>([
    ['no times at all', {}, [' required']],
    ['no object', 'daily', [' wrong_type']],
    ['two at once', { cron: '* * * * *', every_ms: 1_000 }, ['/every_ms contradiction']],
    ['a date that never comes', { cron: '0 0 30 2 *' }, ['/cron contradiction']],
    [
      'a day in no month',
      { calendar: { days_of_month: [31], months: [2, 4] } },
      ['/calendar/days_of_month/0 contradiction'],
    ],
    ['an ISO time as cron', { cron: '2026-01-01T00:00:00' }, ['/cron bad_format']],
    ['a field out of range', { cron: '61 * * * *' }, ['/cron bad_format']],
    ['an empty list', { calendar: { hours: [] } }, ['/calendar/hours too_few']],
    ['day 0', { calendar: { days_of_month: [0] } }, ['/calendar/days_of_month/0 out_of_range']],
    ['a week without a weekday', { calendar: { weeks_of_month: [1] } }, ['/calendar/weeks_of_month contradiction']],
    ['an interval below a second', { every_ms: 999 }, ['/every_ms out_of_range']],
    ['elapsed time in a zone', { every_ms: 60_000, time_zone: 'Europe/Berlin' }, ['/time_zone contradiction']],
    ['a gap in UTC', { cron: '* * * * *', gap: 'skip' }, ['/gap contradiction']],
    ['an unknown zone', { cron: '* * * * *', time_zone: 'Europe/Atlantis' }, ['/time_zone not_allowed']],
    ['an offset as a zone', { cron: '* * * * *', time_zone: '+02:00' }, ['/time_zone not_allowed']],
    [
      'an end before the start',
      { cron: '* * * * *', start_at: '2026-01-02T00:00:00Z', end_at: '2026-01-01T00:00:00Z' },
      ['/end_at contradiction'],
    ],
    [
      'a window without a firing',
      { cron: '0 0 1 1 *', start_at: '2026-01-02T00:00:00Z', end_at: '2026-12-01T00:00:00Z' },
      ['/cron contradiction'],
    ],
    [
      'a start beside a single time',
      { at: '2026-01-01T00:00:00Z', start_at: '2026-01-01T00:00:00Z' },
      ['/start_at contradiction'],
    ],
    [
      'a zone beside an offset',
      { at: '2026-01-01T00:00:00Z', time_zone: 'Europe/Berlin' },
      ['/time_zone contradiction'],
    ],
    [
      'a single time that comes twice',
      { at: '2026-10-25T02:30', time_zone: 'Europe/Berlin', overlap_hour: 'both' },
      ['/overlap_hour contradiction'],
    ],
    [
      'a single time that is skipped',
      { at: '2026-03-29T02:30', time_zone: 'Europe/Berlin', gap: 'skip' },
      ['/at contradiction'],
    ],
    ['a wrong date', { at: '2026-02-30T00:00:00Z' }, ['/at bad_format']],
    ['an unknown field', { cron: '* * * * *', timezone: 'UTC' }, ['/timezone unknown_field']],
  ])('%s', (_, spec, expected) => {
    expect(mistakes(spec)).toEqual(expected);
  });
});

test('jitter is the same for the same schedule and time, differs between schedules, and stays below the next time', () => {
  const ids = Array.from({ length: 1_000 }, (_, place) => `schedule-${place}`);
  const delays = ids.map((id) => jitterOf(id, 1_000_000, 60_000, undefined));
  expect(ids.map((id) => jitterOf(id, 1_000_000, 60_000, undefined))).toEqual(delays);
  expect(Math.max(...delays)).toBeLessThan(60_000);
  expect(new Set(delays).size).toBeGreaterThan(900);
  // The delays are spread evenly: each tenth of the range has its share.
  for (let tenth = 0; tenth < 10; tenth++) {
    const share = delays.filter((delay) => Math.floor(delay / 6_000) === tenth).length;
    expect(share).toBeGreaterThan(60);
    expect(share).toBeLessThan(140);
  }
  expect(Math.max(...ids.map((id) => jitterOf(id, 1_000_000, 60_000, 1_005_000)))).toBeLessThan(5_000);
  expect(jitterOf('a', 0, 0, undefined)).toBe(0);
});

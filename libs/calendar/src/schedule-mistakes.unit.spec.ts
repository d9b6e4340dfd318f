import { describe, expect, it } from '@jest/globals';
import { scheduleMistakes, withoutNulls } from './schedule-mistakes.js';

const SCHEDULE = { name: 'nightly', config: 'import', timetable: { cron: '0 3 * * *' } };

describe('a schedule that a user sent', () => {
  it('is correct with its fields, and with null for each optional field', () => {
    expect(scheduleMistakes(SCHEDULE)).toEqual([]);
    const nulls = {
      ...SCHEDULE,
      timetable: { ...SCHEDULE.timetable, time_zone: null, calendar: null, start_at: null },
      config_version: null,
      session_id: null,
      metadata: null,
      priority: null,
      jitter_ms: null,
      overlap: null,
      buffer_limit: null,
      missed: { runs: 'all', window_ms: null, limit: null },
      pause_on_failure: null,
      max_runs: null,
    };
    const given = withoutNulls(nulls);
    expect(scheduleMistakes(given)).toEqual([]);
    expect(given).toEqual({ ...SCHEDULE, missed: { runs: 'all' } });
  });

  it('keeps nulls inside the user’s own values', () => {
    const own = { ...SCHEDULE, input: { a: null }, metadata: { b: null } };
    expect(withoutNulls(own)).toEqual(own);
  });

  it.each([
    [{ name: '' }, '/name', 'too_short'],
    [{ name: 'a\u00a0b' }, '/name', 'invalid_character'],
    [{ name: 'a\u200bb' }, '/name', 'invalid_character'],
    [{ name: ' a' }, '/name', 'bad_format'],
    [{ name: '__proto__' }, '/name', 'reserved_name'],
    [{ name: 'a'.repeat(201) }, '/name', 'too_long'],
    [{ name: 7 }, '/name', 'wrong_type'],
    [{ config: null }, '/config', 'required'],
    [{ session_id: 'a\u2028b' }, '/session_id', 'invalid_character'],
    [{ metadata: { 'a/b\u200b': 1 } }, '/metadata/a~1b\u200b', 'invalid_character'],
    [{ 'a/b': 1 }, '/a~1b', 'unknown_field'],
    [{ timetable: { cron: '0 3 * * *', zone: 'UTC' } }, '/timetable/zone', 'unknown_field'],
    [{ missed: { run: 'all' } }, '/missed/run', 'unknown_field'],
  ])('refuses %j', (fields, path, code) => {
    expect(scheduleMistakes({ ...SCHEDULE, ...fields })).toEqual([{ path, code, message: expect.any(String) }]);
  });

  it('lists the known fields when one is unknown', () => {
    expect(scheduleMistakes({ ...SCHEDULE, confg: 'x' })[0]?.message).toMatch(
      /^"confg" is not a known field; known are name, config, config_version, timetable, /,
    );
  });
});

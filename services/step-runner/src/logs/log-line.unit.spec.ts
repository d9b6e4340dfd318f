import { describe, expect, it } from '@jest/globals';
import { parseLogLine } from './log-line.js';

const NOW = Date.parse('2026-01-05T00:00:00Z');
const parsed = (line: string): string => {
  const { at, level, message } = parseLogLine(line, NOW);
  return `${at === undefined ? '-' : new Date(at).toISOString()} | ${level} | ${message}`;
};

describe('parseLogLine', () => {
  it.each([
    [
      '2026-11-21 04:54:52.123 UTC [815] ERROR:  relation "x" does not exist',
      '2026-11-21T04:54:52.123Z | error | [815]   relation "x" does not exist',
    ],
    [
      '2026-11-21 04:54:52.123 CET [815] batuta@batuta LOG:  checkpoint starting: time',
      '2026-11-21T04:54:52.123Z | info | [815] batuta@batuta   checkpoint starting: time',
    ],
    ['2026-11-21T04:54:52,5+01:00 WARN disk low', '2026-11-21T03:54:52.500Z | warn | disk low'],
    ['[2026-11-21T04:54:52Z] [error] no space', '2026-11-21T04:54:52.000Z | error | no space'],
    ['2026/11/21 04:54:52 [crit] 12#0: bind failed', '2026-11-21T04:54:52.000Z | fatal | 12#0: bind failed'],
    [
      'Dec 31 23:59:58 host app[7]: error: lost connection',
      '2025-12-31T23:59:58.000Z | unknown | host app[7]: error: lost connection',
    ],
    ['<11>Jan  4 01:02:03 host app: lost', '2026-01-04T01:02:03.000Z | error | host app: lost'],
    [
      '<165>1 2026-01-03T22:14:15.003Z host app - ID47 - started',
      '2026-01-03T22:14:15.003Z | info | host app - ID47 - started',
    ],
    [
      '10.0.0.1 - - [21/Nov/2026:04:54:52 +0100] "GET / HTTP/1.1" 200 512',
      '2026-11-21T03:54:52.000Z | unknown | 10.0.0.1 - -  "GET / HTTP/1.1" 200 512',
    ],
    [
      '{"level":50,"time":1795234829000,"service":"x","err":{"message":"boom"},"msg":"task failed"}',
      `${new Date(1_795_234_829_000).toISOString()} | error | task failed: boom`,
    ],
    ['{"level":"warn","time":"2026-11-21T04:21:51.689Z","msg":"slow"}', '2026-11-21T04:21:51.689Z | warn | slow'],
    ['{not json', '- | unknown | {not json'],
    ['level=error msg="no route"', '- | error | msg="no route"'],
    [
      'The information desk reported an error in the catalogue',
      '- | unknown | The information desk reported an error in the catalogue',
    ],
    ['error: cannot open file', '- | error | cannot open file'],
  ])('reads %s', (line, expected) => {
    expect(parsed(line)).toBe(expected);
  });

  it('takes time in proportion to the length of a hostile line', () => {
    const line = `2026-11-21 ${' '.repeat(8_000)}${'<'.repeat(8_000)}`;
    expect(parseLogLine(line).message.length).toBeGreaterThan(0);
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CORPUS, CORPUS_NOW } from '../../test/log-corpus.js';
import { LogEntries } from './log-entries.js';
import type { LogEntry } from './log-entries.js';
import { LOG_LEVELS } from './levels.js';
import { LogSummary } from './log-summary.js';

const corpusLine = fc.constantFrom(...CORPUS.flatMap(({ lines }) => lines));
/** Parts of the formats, so that random lines pass the first checks of each format. */
const piece = fc.constantFrom(
  '2026-11-28T10:00:00Z',
  ' ',
  '[',
  ']',
  '{',
  '}',
  '"',
  '\\',
  '<3>',
  '<Event',
  'Nov 28 10:00:00',
  'ERROR',
  'error:',
  'level=',
  '|',
  '\t',
  '(',
  ')',
  '=',
  ',',
  '\u001b[',
  '1795860000',
  ' stdout F ',
  ' stdout P ',
  '__CURSOR=',
  'Caused by: ',
  '-',
  ':',
  '#Fields: ',
  'HTTP/1.1" 5',
  '{"a":',
  '{"level":"error","time":',
  '\u0000',
);
const made = fc
  .array(fc.oneof(piece, fc.string({ unit: 'binary', maxLength: 8 })), { maxLength: 30 })
  .map((parts) => parts.join(''));
/** A line of the corpus with a part replaced. */
const damaged = fc
  .tuple(corpusLine, fc.nat(), fc.nat({ max: 40 }), fc.oneof(piece, fc.string({ maxLength: 5 })))
  .map(([line, at, length, text]) => {
    const start = at % (line.length + 1);
    return line.slice(0, start) + text + line.slice(start + length);
  });
const line = fc.oneof(corpusLine, made, damaged, fc.string({ unit: 'binary' }));

function read(lines: readonly string[]): { entries: LogEntry[]; reader: LogEntries } {
  const entries: LogEntry[] = [];
  const reader = new LogEntries((entry) => entries.push(entry), CORPUS_NOW);
  for (const one of lines) reader.add(one);
  reader.end();
  return { entries, reader };
}

describe('LogEntries, for any text', () => {
  it('never throws, gives known levels and times that are times', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const { entries, reader } = read(lines);
        expect(reader.lines).toBe(lines.length);
        for (const entry of entries) {
          expect(LOG_LEVELS).toContain(entry.level);
          expect(entry.line).toBeGreaterThanOrEqual(1);
          expect(entry.line).toBeLessThanOrEqual(lines.length);
          if (entry.at !== undefined) expect(new Date(entry.at).toISOString()).toMatch(/^(?:19|20|21)\d\d-/);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('makes a summary that is JSON, with as many entries as its levels and patterns have', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
        const summary = new LogSummary({ maxPatterns: 200, maxErrors: 50, now: CORPUS_NOW });
        for (const one of lines) summary.add(one);
        const result = summary.result();
        expect(JSON.parse(JSON.stringify(result))).toEqual(result);
        const levels = Object.values(result.levels).reduce((sum, count) => sum + count, 0);
        expect(levels).toBe(result.entries);
        expect(result.patterns.reduce((sum, { count }) => sum + count, 0)).toBe(result.entries);
        expect(result.error_rate).toBeLessThanOrEqual(1);
      }),
    );
  });
});

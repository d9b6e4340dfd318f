import { describe, expect, it } from '@jest/globals';
import { CORPUS, CORPUS_NOW } from '../../test/log-corpus.js';
import { LogEntries } from './log-entries.js';
import type { LogEntry } from './log-entries.js';

function entriesOf(lines: readonly string[]): { entries: string[]; reader: LogEntries } {
  const found: LogEntry[] = [];
  const reader = new LogEntries((entry) => found.push(entry), CORPUS_NOW);
  for (const line of lines) reader.add(line);
  reader.end();
  const entries = found
    .toSorted((a, b) => a.line - b.line)
    .map(({ at, level, message }) => `${at === undefined ? '-' : new Date(at).toISOString()} | ${level} | ${message}`);
  return { entries, reader };
}

describe('LogEntries', () => {
  it.each(CORPUS.map(({ format, ...sample }) => [format, sample] as const))('reads %s', (_, { lines, entries }) => {
    expect(entriesOf(lines).entries).toEqual(entries);
  });
});

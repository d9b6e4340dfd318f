// A separate process, because a process reads its zone from the environment only once: node … read-corpus.ts
import { LogEntries } from '../src/logs/log-entries.js';
import type { LogEntry } from '../src/logs/log-entries.js';
import { CORPUS, CORPUS_NOW } from './log-corpus.js';

const entries = CORPUS.flatMap(({ lines }) => {
  const found: LogEntry[] = [];
  const reader = new LogEntries((entry) => found.push(entry), CORPUS_NOW);
  for (const line of lines) reader.add(line);
  reader.end();
  return found;
});
const offsetMinutes = new Date(CORPUS_NOW).getTimezoneOffset();
process.stdout.write(`${JSON.stringify({ entries, offsetMinutes })}\n`);

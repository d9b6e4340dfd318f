import { Drain } from './drain.js';
import type { LogCluster } from './drain.js';
import { LOG_LEVELS } from './levels.js';
import type { LogLineLevel } from './levels.js';
import { LogEntries } from './log-entries.js';
import type { LogEntry } from './log-entries.js';

interface LogSummaryOptions {
  /** How many patterns the result has. */
  readonly maxPatterns: number;
  /** How many errors from the beginning, and as many from the end. */
  readonly maxErrors: number;
  readonly now?: number;
}

interface LogError {
  readonly line: number;
  readonly time: string | null;
  readonly level: LogLineLevel;
  readonly message: string;
}

const SECOND = 1_000;
const MINUTE = 60_000;
/** In a log shorter than this, lines are counted by seconds. */
const SHORT_LOG = 3 * MINUTE;
const MOST_BUCKETS = 4_000;
const MOST_POINTS = 120;
const LONGEST_MESSAGE = 1_000;
/** How much of a message is used for patterns. */
const LONGEST_COMPARED = 4_000;
/** A shorter part of a line is not worth a copy that would free the line. */
const LONG_LINE = 8_000;

/** Reads a log line by line and summarises it. Memory does not grow with the number of lines. */
export class LogSummary {
  readonly #options: LogSummaryOptions;
  readonly #levels = counts();
  readonly #reader: LogEntries;
  #entries = 0;
  #from = Infinity;
  #to = -Infinity;
  #withTime = 0;
  readonly #drain = new Drain();
  readonly #levelsOf = new WeakMap<LogCluster, Record<LogLineLevel, number>>();
  #bucketMs = SECOND;
  #buckets = new Map<number, { lines: number; errors: number }>();
  readonly #firstErrors: LogError[] = [];
  readonly #lastErrors: LogError[] = [];

  constructor(options: LogSummaryOptions) {
    this.#options = options;
    this.#reader = new LogEntries((entry) => this.#addEntry(entry), options.now);
  }

  get lines(): number {
    return this.#reader.lines;
  }

  add(line: string): void {
    this.#reader.add(line);
  }

  #addEntry({ line, at, level, message }: LogEntry): void {
    this.#entries += 1;
    this.#levels[level] += 1;
    const isError = level === 'error' || level === 'fatal';
    if (at !== undefined) this.#addTime(at, isError);
    // A substring keeps the whole text in memory, so it is copied.
    const text = message.length > LONG_LINE ? Buffer.from(message.slice(0, LONGEST_COMPARED)).toString() : message;
    const cluster = this.#drain.add(text, line);
    let levels = this.#levelsOf.get(cluster);
    if (levels === undefined) {
      levels = counts();
      this.#levelsOf.set(cluster, levels);
    }
    levels[level] += 1;
    if (isError) this.#addError(line, at, level, text);
  }

  #addTime(at: number, isError: boolean): void {
    this.#withTime += 1;
    this.#from = Math.min(this.#from, at);
    this.#to = Math.max(this.#to, at);
    if (this.#bucketMs < MINUTE && this.#to - this.#from > SHORT_LOG) {
      this.#bucketMs = MINUTE;
      this.#buckets = regrouped(this.#buckets, MINUTE);
    }
    const start = at - (at % this.#bucketMs);
    let bucket = this.#buckets.get(start);
    if (bucket === undefined) {
      bucket = { lines: 0, errors: 0 };
      this.#buckets.set(start, bucket);
    }
    bucket.lines += 1;
    if (isError) bucket.errors += 1;
    while (this.#buckets.size > MOST_BUCKETS) {
      this.#bucketMs *= 2;
      this.#buckets = regrouped(this.#buckets, this.#bucketMs);
    }
  }

  #addError(line: number, at: number | undefined, level: LogLineLevel, message: string): void {
    const error = { line, time: isoOrNull(at), level, message: message.slice(0, LONGEST_MESSAGE) };
    if (this.#firstErrors.length < this.#options.maxErrors) {
      this.#firstErrors.push(error);
    } else {
      this.#lastErrors.push(error);
      if (this.#lastErrors.length > this.#options.maxErrors) this.#lastErrors.shift();
    }
  }

  /** The summary as JSON. No line may follow. */
  result() {
    this.#reader.end();
    const clusters = this.#drain.clusters.toSorted((a, b) => b.count - a.count || a.firstLine - b.firstLine);
    const shown = clusters.slice(0, this.#options.maxPatterns);
    const errors = this.#levels.error + this.#levels.fatal;
    return {
      lines: this.lines,
      entries: this.#entries,
      continuation_lines: this.#reader.continuations,
      levels: { ...this.#levels },
      error_rate: this.#entries === 0 ? 0 : rounded(errors / this.#entries, 6),
      time_range:
        this.#withTime === 0
          ? null
          : {
              from: new Date(this.#from).toISOString(),
              to: new Date(this.#to).toISOString(),
              seconds: rounded((this.#to - this.#from) / 1_000, 3),
            },
      rate: this.#rate(),
      patterns: shown.map((cluster) => ({
        pattern: cluster.template.join(' ').slice(0, LONGEST_MESSAGE),
        count: cluster.count,
        share: rounded(cluster.count / this.#entries, 6),
        ...levelsIn(this.#levelsOf.get(cluster) ?? counts()),
        example: cluster.example.slice(0, LONGEST_MESSAGE),
        first_line: cluster.firstLine,
        last_line: cluster.lastLine,
      })),
      pattern_count: clusters.length + this.#drain.forgottenClusters,
      lines_in_other_patterns:
        clusters.slice(this.#options.maxPatterns).reduce((sum, { count }) => sum + count, 0) +
        this.#drain.forgottenLines,
      first_errors: this.#firstErrors.toSorted((a, b) => a.line - b.line),
      last_errors: this.#lastErrors.toSorted((a, b) => a.line - b.line),
    };
  }

  #rate() {
    if (this.#buckets.size === 0) return null;
    const minutes = Math.max(1, (this.#to - this.#from) / MINUTE);
    let width = this.#bucketMs;
    let points = this.#buckets;
    while (points.size > MOST_POINTS) {
      width *= 2;
      points = regrouped(points, width);
    }
    return {
      lines_per_minute: rounded(this.#withTime / minutes, 3),
      bucket_seconds: width / 1_000,
      buckets: [...points]
        .toSorted(([a], [b]) => a - b)
        .map(([start, { lines, errors }]) => ({ from: new Date(start).toISOString(), lines, errors })),
      spikes: this.#spikes(),
    };
  }

  /**
   * Buckets far above the others: 3.5 deviations over the median (Iglewicz and Hoaglin, "How to Detect and Handle
   * Outliers", 1993), and twice the median. It uses the median deviation, because with few buckets a spike would move
   * the mean and the standard deviation too far. The deviation is at least what random counts of this size have.
   */
  #spikes() {
    if (this.#buckets.size < 3) return [];
    const counted = [...this.#buckets.values()].map(({ lines }) => lines);
    const median = medianOf(counted);
    const deviation = 1.4826 * medianOf(counted.map((lines) => Math.abs(lines - median)));
    const least = Math.max(median + 3.5 * Math.max(deviation, Math.sqrt(median)), 2 * median, 10);
    return [...this.#buckets]
      .filter(([, { lines }]) => lines >= least)
      .toSorted(([, a], [, b]) => b.lines - a.lines)
      .slice(0, 10)
      .map(([start, { lines, errors }]) => ({
        from: new Date(start).toISOString(),
        lines,
        errors,
        times_the_median: rounded(lines / Math.max(1, median), 2),
      }));
  }
}

function counts(): Record<LogLineLevel, number> {
  return { fatal: 0, error: 0, warn: 0, info: 0, debug: 0, trace: 0, unknown: 0 };
}

/** The level of most entries of a pattern, the worst one in a tie, and the number of entries for each level. */
function levelsIn(levels: Readonly<Record<LogLineLevel, number>>) {
  let level: LogLineLevel = 'unknown';
  for (const one of LOG_LEVELS.toReversed()) if (levels[one] >= levels[level]) level = one;
  return { level, levels: Object.fromEntries(Object.entries(levels).filter(([, count]) => count > 0)) };
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

function regrouped(
  buckets: ReadonlyMap<number, { lines: number; errors: number }>,
  width: number,
): Map<number, { lines: number; errors: number }> {
  const wider = new Map<number, { lines: number; errors: number }>();
  for (const [start, { lines, errors }] of buckets) {
    const key = start - (start % width);
    const bucket = wider.get(key);
    if (bucket === undefined) {
      wider.set(key, { lines, errors });
    } else {
      bucket.lines += lines;
      bucket.errors += errors;
    }
  }
  return wider;
}

function isoOrNull(at: number | undefined): string | null {
  if (at === undefined) return null;
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

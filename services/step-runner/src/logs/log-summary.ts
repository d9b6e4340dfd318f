import { Drain } from './drain.js';
import type { LogCluster } from './drain.js';
import { LOG_LEVELS, parseLogLine } from './log-line.js';
import type { LogLineLevel } from './log-line.js';

export interface LogSummaryOptions {
  /** Patterns in the result. */
  readonly maxPatterns: number;
  /** Errors from the beginning and as many from the end. */
  readonly maxErrors: number;
  readonly now?: number;
}

interface LogError {
  readonly line: number;
  readonly time: string | null;
  readonly level: LogLineLevel;
  readonly message: string;
}

const MINUTE = 60_000;
const MOST_BUCKETS = 4_000;
const MOST_POINTS = 120;
const LONGEST_MESSAGE = 1_000;

/** Takes in a log line by line and says what is in it. Memory does not grow with the number of lines. */
export class LogSummary {
  lines = 0;
  private readonly levels: Record<LogLineLevel, number>;
  private continuations = 0;
  private from = Infinity;
  private to = -Infinity;
  private withTime = 0;
  private readonly drain = new Drain();
  private readonly worst = new WeakMap<LogCluster, LogLineLevel>();
  private bucketMs = MINUTE;
  private buckets = new Map<number, { lines: number; errors: number }>();
  private readonly firstErrors: LogError[] = [];
  private readonly lastErrors: LogError[] = [];

  constructor(private readonly options: LogSummaryOptions) {
    this.levels = Object.fromEntries(LOG_LEVELS.map((level) => [level, 0])) as Record<LogLineLevel, number>;
  }

  add(text: string): void {
    this.lines += 1;
    if (text === '') return;
    // The rest of a stack trace or of a statement over several lines.
    if (this.lines > 1 && (text.startsWith('\t') || text.startsWith('  '))) {
      this.continuations += 1;
      return;
    }
    const { at, level, message } = parseLogLine(text, this.options.now);
    this.levels[level] += 1;
    const isError = level === 'error' || level === 'fatal';
    if (at !== undefined) this.addTime(at, isError);
    const cluster = this.drain.add(message, this.lines);
    const worst = this.worst.get(cluster);
    if (worst === undefined || LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(worst)) this.worst.set(cluster, level);
    if (isError) this.addError(at, level, message);
  }

  private addTime(at: number, isError: boolean): void {
    this.withTime += 1;
    this.from = Math.min(this.from, at);
    this.to = Math.max(this.to, at);
    const start = at - (at % this.bucketMs);
    let bucket = this.buckets.get(start);
    if (bucket === undefined) {
      bucket = { lines: 0, errors: 0 };
      this.buckets.set(start, bucket);
    }
    bucket.lines += 1;
    if (isError) bucket.errors += 1;
    while (this.buckets.size > MOST_BUCKETS) {
      this.bucketMs *= 2;
      this.buckets = regrouped(this.buckets, this.bucketMs);
    }
  }

  private addError(at: number | undefined, level: LogLineLevel, message: string): void {
    const error = { line: this.lines, time: isoOrNull(at), level, message: message.slice(0, LONGEST_MESSAGE) };
    if (this.firstErrors.length < this.options.maxErrors) {
      this.firstErrors.push(error);
    } else {
      this.lastErrors.push(error);
      if (this.lastErrors.length > this.options.maxErrors) this.lastErrors.shift();
    }
  }

  /** What the log holds, as JSON. */
  result() {
    const clusters = this.drain.clusters.toSorted((a, b) => b.count - a.count || a.firstLine - b.firstLine);
    const shown = clusters.slice(0, this.options.maxPatterns);
    const errors = this.levels.error + this.levels.fatal;
    return {
      lines: this.lines,
      continuation_lines: this.continuations,
      levels: { ...this.levels },
      error_rate: this.lines === 0 ? 0 : rounded(errors / this.lines, 6),
      time_range:
        this.withTime === 0
          ? null
          : {
              from: new Date(this.from).toISOString(),
              to: new Date(this.to).toISOString(),
              seconds: rounded((this.to - this.from) / 1_000, 3),
            },
      rate: this.rate(),
      patterns: shown.map((cluster) => ({
        pattern: cluster.template.join(' ').slice(0, LONGEST_MESSAGE),
        count: cluster.count,
        share: rounded(cluster.count / this.lines, 6),
        level: this.worst.get(cluster) ?? 'unknown',
        example: cluster.example.slice(0, LONGEST_MESSAGE),
        first_line: cluster.firstLine,
        last_line: cluster.lastLine,
      })),
      pattern_count: clusters.length + this.drain.forgottenClusters,
      lines_in_other_patterns:
        clusters.slice(this.options.maxPatterns).reduce((sum, { count }) => sum + count, 0) + this.drain.forgottenLines,
      first_errors: this.firstErrors,
      last_errors: this.lastErrors,
    };
  }

  private rate() {
    if (this.buckets.size === 0) return null;
    const minutes = Math.max(1, (this.to - this.from) / MINUTE);
    let width = this.bucketMs;
    let points = this.buckets;
    while (points.size > MOST_POINTS) {
      width *= 2;
      points = regrouped(points, width);
    }
    return {
      lines_per_minute: rounded(this.withTime / minutes, 3),
      bucket_seconds: width / 1_000,
      buckets: [...points]
        .toSorted(([a], [b]) => a - b)
        .map(([start, { lines, errors }]) => ({ from: new Date(start).toISOString(), lines, errors })),
      spikes: this.spikes(),
    };
  }

  /** Buckets well above the rest: three standard deviations over the mean, and twice the median. */
  private spikes() {
    const counts = [...this.buckets.values()].map(({ lines }) => lines).toSorted((a, b) => a - b);
    const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    const deviation = Math.sqrt(counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / counts.length);
    const median = counts[Math.floor(counts.length / 2)] ?? 0;
    return [...this.buckets]
      .filter(([, { lines }]) => lines > mean + 3 * deviation && lines >= 2 * median && lines >= 10)
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

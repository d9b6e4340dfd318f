import { LogSummary } from '../logs/log-summary.js';
import { openLogText } from '../logs/log-chunks.js';
import { logDirectoriesOf, openLogFile } from '../logs/open-log-file.js';
import { LONGEST_LINE, readLines } from '../logs/read-lines.js';
import { defineAgent, invalidInput } from '@batuta/worker';
import type { Agent, AgentContext } from '@batuta/worker';

const LONGEST_TEXT = 8 * 1024 * 1024;

const input = {
  properties: {
    file: { type: 'string', maxLength: 4_096, description: "a file below one of the tenant's directories" },
    text: { type: 'string', maxLength: LONGEST_TEXT, description: 'the log itself' },
    lines: { type: 'array', items: { type: 'string' }, description: 'the log, as a list of texts' },
    // Without a type, because an output of an earlier step may have this name.
    logs: { maxLength: LONGEST_TEXT, description: 'a text: another name of `text`' },
    last_bytes: {
      type: 'integer',
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description:
        'only the end of a file; of a compressed one, of the text in it. A line that begins before it is left out',
    },
    max_patterns: { type: 'integer', minimum: 1, maximum: 200, default: 20, description: 'patterns that are shown' },
    max_errors: {
      type: 'integer',
      minimum: 0,
      maximum: 50,
      default: 5,
      description: 'first and last errors that are shown',
    },
  },
} as const;

const output = {
  type: 'object',
  properties: {
    source: { type: 'string', description: 'the file, or `text` or `lines`' },
    bytes: { type: 'integer', description: 'read of a file' },
    lines: { type: 'integer', description: 'of the text' },
    entries: { type: 'integer', description: 'in the lines' },
    continuation_lines: { type: 'integer', description: 'that belong to the entry before, such as a stack trace' },
    levels: {
      type: 'object',
      description: 'entries of each level: `fatal`, `error`, `warn`, `info`, `debug`, `trace`, `unknown`',
    },
    error_rate: { type: 'number', description: 'the share of `fatal` and `error`' },
    time_range: { type: ['object', 'null'], description: '`from`, `to`, `seconds`; null in a log without times' },
    rate: {
      type: ['object', 'null'],
      description:
        '`lines_per_minute`, `bucket_seconds`, `buckets` (`from`, `lines`, `errors`), `spikes` (the same, and `times_the_median`). A log of up to three minutes is counted by seconds, a longer one by minutes',
    },
    patterns: {
      type: 'array',
      items: { type: 'object' },
      description:
        '`pattern`, `count`, `share`, `level` (what most of its entries have), `levels` (how many have which), `example`, `first_line`, `last_line`',
    },
    pattern_count: { type: 'integer', description: 'all patterns' },
    lines_in_other_patterns: { type: 'integer', description: 'entries of those that are not shown' },
    first_errors: { type: 'array', items: { type: 'object' }, description: '`line`, `time`, `level`, `message`' },
    last_errors: { type: 'array', items: { type: 'object' }, description: 'the same' },
  },
} as const;

export function logAnalyzerAgent(directories: readonly string[]): Agent {
  return defineAgent(
    'log_analyzer',
    {
      description:
        'Says what is in a log: levels, rates, patterns, first and last errors. Exactly one of `file`, `text` and `lines` is given.',
      input,
      output,
    },
    async (parameters, context) => {
      const { lines, file, logs } = parameters;
      const given = lines ?? file;
      const text = parameters.text ?? (given === undefined && typeof logs === 'string' ? logs : undefined);
      if ([lines, text, file].filter((source) => source !== undefined).length !== 1) {
        throw invalidInput('file', 'or "lines" or "text" must be given, and only one of them');
      }
      const summary = new LogSummary({
        maxPatterns: parameters.max_patterns ?? 20,
        maxErrors: parameters.max_errors ?? 5,
      });
      const { last_bytes: lastBytes } = parameters;
      if (file !== undefined) {
        const { bytes, path } = await analyzeFile(summary, file, directories, lastBytes, context);
        return { source: path, bytes, ...summary.result() };
      }
      let read = 0;
      for (const line of lines === undefined ? linesOf(text ?? '') : linesOfAll(lines)) {
        summary.add(line.length > LONGEST_LINE ? line.slice(0, LONGEST_LINE) : line);
        // Lets other work of this process run.
        if (++read % 2_000 === 0) await new Promise((next) => setImmediate(next));
        if (read % 2_000 === 0) context.signal.throwIfAborted();
      }
      return { source: lines === undefined ? 'text' : 'lines', ...summary.result() };
    },
  );
}

/** The lines of a text. A line break at its end does not begin another line. */
function* linesOf(text: string): Generator<string> {
  let from = 0;
  while (from < text.length) {
    const end = text.indexOf('\n', from);
    if (end === -1) {
      yield text.slice(from);
      return;
    }
    yield text.slice(from, end);
    from = end + 1;
  }
}

/** The lines of a list's elements. An element may contain several. */
function* linesOfAll(texts: readonly string[]): Generator<string> {
  for (const text of texts) {
    if (text === '') yield '';
    else yield* linesOf(text);
  }
}

async function analyzeFile(
  summary: LogSummary,
  name: string,
  directories: readonly string[],
  lastBytes: number | undefined,
  context: AgentContext,
): Promise<{ bytes: number; path: string }> {
  const { handle, path } = await openLogFile(name, logDirectoriesOf(directories, context.tenantId));
  try {
    const { chunks, isInLine, progress } = await openLogText(handle, lastBytes, context.signal);
    let bytes = 0;
    await readLines(chunks, {
      signal: context.signal,
      skipFirst: isInLine,
      onLine: (line) => summary.add(line),
      onChunk: (read) => {
        bytes = read;
        const done = progress();
        context.heartbeat(Math.min(0.99, done.read / Math.max(1, done.all)), `${summary.lines} lines`);
      },
    });
    return { bytes, path };
  } finally {
    await handle.close();
  }
}

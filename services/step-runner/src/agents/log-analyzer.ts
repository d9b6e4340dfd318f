import { LogSummary } from '../logs/log-summary.js';
import { openLogText } from '../logs/log-chunks.js';
import { logDirectoriesOf, openLogFile } from '../logs/open-log-file.js';
import { LONGEST_LINE, readLines } from '../logs/read-lines.js';
import type { Agent, PlatformContext } from '@batuta/worker';
import { Parameters, wrong } from './parameters.js';

const LONGEST_TEXT = 8 * 1024 * 1024;

/** Says what is in a log: `lines`, `text` (also named `logs`), or a `file` of the tenant's directories. A file is streamed in constant memory. */
export function logAnalyzerAgent(directories: readonly string[]): Agent<PlatformContext> {
  return {
    name: 'log_analyzer',
    version: '1',
    async run(input, context) {
      const parameters = new Parameters(input);
      const lines = parameters.list('lines');
      const file = parameters.text('file', { maxLength: 4_096 });
      const given = lines ?? file;
      const text =
        parameters.text('text', { maxLength: LONGEST_TEXT }) ??
        (given === undefined ? parameters.otherName('logs', { maxLength: LONGEST_TEXT }) : undefined);
      if ([lines, text, file].filter((source) => source !== undefined).length !== 1) {
        throw wrong('file', 'or "lines" or "text" must be given, and only one of them');
      }
      const summary = new LogSummary({
        maxPatterns: parameters.number('max_patterns', { min: 1, max: 200, whole: true }) ?? 20,
        maxErrors: parameters.number('max_errors', { min: 0, max: 50, whole: true }) ?? 5,
      });
      const lastBytes = parameters.number('last_bytes', { min: 1, max: Number.MAX_SAFE_INTEGER, whole: true });
      if (file !== undefined) {
        const { bytes, path } = await analyzeFile(summary, file, directories, lastBytes, context);
        return { source: path, bytes, ...summary.result() };
      }
      let read = 0;
      for (const line of lines === undefined ? linesOf(text ?? '') : linesOfAll(lines)) {
        summary.add(line.length > LONGEST_LINE ? line.slice(0, LONGEST_LINE) : line);
        // Lets everything else in this process have its turn.
        if (++read % 2_000 === 0) await new Promise((next) => setImmediate(next));
        if (read % 2_000 === 0) context.signal.throwIfAborted();
      }
      return { source: lines === undefined ? 'text' : 'lines', ...summary.result() };
    },
  };
}

/** The lines of a text; the line break at its end begins no further one. */
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

/** The lines of a list's elements, which may hold several each. */
function* linesOfAll(texts: readonly unknown[]): Generator<string> {
  for (const text of texts) {
    if (typeof text !== 'string') throw wrong('lines', 'must be a list of texts');
    if (text === '') yield '';
    else yield* linesOf(text);
  }
}

async function analyzeFile(
  summary: LogSummary,
  name: string,
  directories: readonly string[],
  lastBytes: number | undefined,
  context: PlatformContext,
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

import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { LogSummary } from '../logs/log-summary.js';
import { readLines } from '../logs/read-lines.js';
import { RetryableError, TerminalError } from './agent.js';
import type { Agent, AgentContext } from './agent.js';
import { Parameters, wrong } from './parameters.js';

/** Says what is in a log: `lines`, `text`, or a `file` below one of `directories`. A file is streamed in constant memory. */
export function logAnalyzerAgent(directories: readonly string[]): Agent {
  return {
    name: 'log_analyzer',
    version: '1',
    async run(input, context) {
      const parameters = new Parameters(input);
      const lines = parameters.list('lines');
      const text = parameters.text('text', { maxLength: 8 * 1024 * 1024 });
      const file = parameters.text('file', { maxLength: 4_096 });
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
      for (const line of lines ?? (text ?? '').split(/\r?\n/)) {
        if (typeof line !== 'string') throw wrong('lines', 'must be a list of texts');
        summary.add(line.slice(0, 16 * 1024));
        // Lets everything else in this process have its turn.
        if (++read % 2_000 === 0) await new Promise((next) => setImmediate(next));
        if (read % 2_000 === 0) context.signal.throwIfAborted();
      }
      return { source: lines === undefined ? 'text' : 'lines', ...summary.result() };
    },
  };
}

async function analyzeFile(
  summary: LogSummary,
  name: string,
  directories: readonly string[],
  lastBytes: number | undefined,
  context: AgentContext,
): Promise<{ bytes: number; path: string }> {
  const { handle, path } = await openAllowed(name, directories);
  try {
    const { size } = await handle.stat();
    const start = lastBytes === undefined ? 0 : Math.max(0, size - lastBytes);
    let bytes = 0;
    await readLines(
      handle,
      start,
      context.signal,
      (line) => summary.add(line),
      (read) => {
        bytes = read;
        context.heartbeat(Math.min(0.99, read / Math.max(1, size - start)), `${summary.lines} lines`);
      },
    );
    return { bytes, path };
  } finally {
    await handle.close();
  }
}

/** Opens a regular file whose real path lies below a directory that is allowed; a relative name is looked for in each of them. */
async function openAllowed(
  name: string,
  directories: readonly string[],
): Promise<{ handle: FileHandle; path: string }> {
  if (name.includes('\0')) throw wrong('file', 'must not contain a NUL character');
  const roots = await Promise.all(directories.map((directory) => realpath(resolve(directory)).catch(() => undefined)));
  let refused = false;
  for (const root of roots) {
    if (root === undefined) continue;
    let path: string;
    try {
      path = await realpath(resolve(root, name));
    } catch {
      continue;
    }
    if (!isBelow(root, path)) {
      refused = true;
      continue;
    }
    let handle: FileHandle;
    try {
      // The real path has no link left; without blocking, because it may be a pipe.
      handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      throw new RetryableError('file_unreadable', `The file ${name} cannot be read: ${codeOf(error)}.`, {
        cause: error,
      });
    }
    if ((await handle.stat()).isFile()) return { handle, path };
    await handle.close();
    throw new TerminalError('file_refused', `${name} is not a regular file.`);
  }
  // What lies outside is refused in the same words whether it exists or not.
  if (refused || !roots.some((root) => root !== undefined && isBelow(root, resolve(root, name)))) {
    throw new TerminalError(
      'file_refused',
      `The file ${name} is not below a directory that log_analyzer may read (BATUTA_RUNNER_LOG_DIRECTORIES).`,
    );
  }
  throw new RetryableError('file_missing', `The file ${name} does not exist below the directories that may be read.`);
}

function isBelow(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown reason';
}

import { terminalJson, terminalText } from './terminal-text.js';

/** Names and texts that other people wrote are part of many lines. */
export const out = (line = ''): void => void process.stdout.write(`${terminalText(line)}\n`);
export const outJson = (value: object): void => out(terminalJson(JSON.stringify(value, undefined, 2)));

/**
 * The code of a program that SIGPIPE ended. It is not 0, because what the command checks may not have been checked to the
 * end.
 */
const READER_GONE = 128 + 13;

/** Ends quietly when the reader of standard output has ended, such as `head`. */
export function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(READER_GONE);
  });
}

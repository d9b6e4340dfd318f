import type { Log } from '@batuta/messaging';

/** Where a worker and its agents write log lines. A pino logger satisfies it. */
export interface Logger extends Log {
  /** A logger whose lines have these fields besides. */
  child(fields: object): Logger;
}

type Write = (line: string) => void;

/** One JSON object a line, on standard error. */
export function jsonLogger(write: Write = (line) => void process.stderr.write(line), fields: object = {}): Logger {
  const line =
    (level: string) =>
    (first: object | string, message?: string): void => {
      const [more, text] = typeof first === 'string' ? [{}, first] : [first, message];
      write(`${JSON.stringify({ level, time: new Date().toISOString(), ...fields, ...shown(more), msg: text })}\n`);
    };
  return {
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    child: (more) => jsonLogger(write, { ...fields, ...more }),
  };
}

/** Errors have no fields of their own that JSON would show. */
function shown(fields: object): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]: [string, unknown]) => [
      name,
      value instanceof Error ? { name: value.name, message: value.message, stack: value.stack } : value,
    ]),
  );
}

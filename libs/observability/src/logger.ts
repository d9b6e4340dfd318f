import type { LoggerService } from '@nestjs/common';
import { destination, pino, stdTimeFunctions } from 'pino';
import type { DestinationStream, Logger } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { allowedFields } from './log-fields.js';
import { hiddenNow } from './hidden/hide-everywhere.js';
import { redactUrl } from './redact.js';

export type { Logger };

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  /** The service name in each line. */
  readonly service: string;
  readonly level?: LogLevel;
  /** Whether to write readable lines instead of JSON. Default: only when standard output is a terminal. */
  readonly pretty?: boolean;
}

const everyLogger = new Set<WeakRef<Logger>>();

function serialiseError(error: unknown): unknown {
  if (!(error instanceof Error)) {
    return { message: redactUrl(String(error)) };
  }
  const { code } = error as { code?: unknown };
  return {
    type: error.name,
    message: redactUrl(error.message),
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(error.stack === undefined ? {} : { stack: redactUrl(error.stack) }),
    ...(error.cause === undefined ? {} : { cause: serialiseError(error.cause) }),
  };
}

/**
 * Writes readable lines to standard output, at once and in this thread. A worker thread would need additional files,
 * which a bundle does not have, and it loses the last lines of a process that ends.
 */
function readable(): DestinationStream {
  const format = prettyFactory({
    colorize: process.stdout.isTTY === true && process.stdout.hasColors(),
    translateTime: 'SYS:HH:MM:ss.l',
    messageFormat: '{service}: {msg}',
    ignore: 'pid,hostname,service',
    singleLine: true,
  });
  const output = destination({ fd: 1, sync: true });
  return { write: (line) => void output.write(withoutHidden(format(line))) };
}

/** Writes JSON lines to standard output, like pino's default. */
function plain(): DestinationStream {
  const output = destination({ fd: 1, sync: true });
  return { write: (line) => void output.write(withoutHidden(line)) };
}

/** Removes the values that are in use now and that nobody may see from a line. */
function withoutHidden(line: string): string {
  return hiddenNow()?.text(line) ?? line;
}

/**
 * A structured logger: one JSON object per line on standard output, or readable lines on a terminal. Fields that
 * `log-fields.ts` does not list are left out. As a last line of defence, passwords in the URLs of error messages are
 * removed here.
 */
export function createLogger(options: LoggerOptions): Logger {
  const pretty = options.pretty ?? process.stdout.isTTY === true;
  const logger = pino(
    {
      level: options.level ?? 'info',
      base: { service: options.service },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label: string) => ({ level: label }), log: allowedFields },
      serializers: { err: serialiseError, error: serialiseError },
    },
    pretty ? readable() : plain(),
  );
  everyLogger.add(new WeakRef(logger));
  return logger;
}

/** Changes the level of every logger of this process, from the next line on. */
export function setLogLevel(level: LogLevel): void {
  for (const reference of everyLogger) {
    const logger = reference.deref();
    if (logger === undefined) {
      everyLogger.delete(reference);
    } else {
      logger.level = level;
    }
  }
}

function contextOf(parameters: unknown[]): { context?: string } {
  const last = parameters.at(-1);
  return typeof last === 'string' ? { context: last } : {};
}

/** Sends Nest's own lines through the service's logger. */
export function nestLogger(logger: Logger): LoggerService {
  const text = (message: unknown): string => (message instanceof Error ? message.message : String(message));
  return {
    // Nest logs every module and route at level "log", which is useful for debugging only.
    log: (message, ...rest) => logger.debug(contextOf(rest), text(message)),
    error: (message, ...rest) => {
      const error = message instanceof Error ? message : rest.find((item) => item instanceof Error);
      logger.error({ ...contextOf(rest), ...(error === undefined ? {} : { err: error }) }, text(message));
    },
    warn: (message, ...rest) => logger.warn(contextOf(rest), text(message)),
    debug: (message, ...rest) => logger.debug(contextOf(rest), text(message)),
    verbose: (message, ...rest) => logger.trace(contextOf(rest), text(message)),
    fatal: (message, ...rest) => logger.fatal(contextOf(rest), text(message)),
  };
}

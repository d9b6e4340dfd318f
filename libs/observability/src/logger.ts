import type { LoggerService } from '@nestjs/common';
import { destination, pino, stdTimeFunctions } from 'pino';
import type { DestinationStream, Logger } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { allowedFields } from './log-fields.js';
import { hiddenNow } from './hidden-values.js';
import { redactUrl } from './redact.js';

export type { Logger };

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  /** Name of the service, in every line. */
  readonly service: string;
  readonly level?: LogLevel;
  /** Readable lines instead of JSON; default: when standard output is a terminal. */
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
 * Readable lines on standard output. They are written at once and by this thread: a worker thread would need files beside it,
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

/** JSON lines on standard output, as pino writes them by itself. */
function plain(): DestinationStream {
  const output = destination({ fd: 1, sync: true });
  return { write: (line) => void output.write(withoutHidden(line)) };
}

/** A line without the values that are in use now and that nobody may see. */
function withoutHidden(line: string): string {
  return hiddenNow()?.text(line) ?? line;
}

/**
 * A structured logger: one JSON object a line on standard output, or readable lines on a terminal.
 * Fields that `log-fields.ts` does not list are left out; passwords inside URLs of error messages are
 * removed here as a last line of defence.
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

/** Lets Nest's own lines go through the service's logger. */
export function nestLogger(logger: Logger): LoggerService {
  const text = (message: unknown): string => (message instanceof Error ? message.message : String(message));
  return {
    // Nest narrates every module and route at "log": useful when debugging, noise otherwise.
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

import { createLogger } from '@batuta/observability';
import type { LogLevel, Logger } from '@batuta/observability';
import { mistakeOf } from '@batuta/program';
import { SettingsError } from '@batuta/settings';
import { startWatchdog } from './watchdog.js';

interface RunningService {
  close(): Promise<void>;
}

interface RunServiceOptions<Settings extends { readonly logLevel: LogLevel }> {
  /** The service name in each log line. */
  readonly name: string;
  readonly load: () => Settings;
  readonly start: (options: { settings: Settings; logger: Logger }) => Promise<RunningService>;
}

/**
 * Runs one service as this process: loads its settings, starts it, and stops it on SIGINT or SIGTERM. Exit codes: 0
 * after a clean stop; 1 when it could not start, stop or continue; 2 for invalid settings. An unhandled rejection ends
 * the process, because an unseen failure may have left any state.
 */
export async function runService<Settings extends { readonly logLevel: LogLevel }>(
  options: RunServiceOptions<Settings>,
): Promise<void> {
  let settings: Settings;
  try {
    settings = options.load();
    startWatchdog(options.name);
  } catch (error) {
    if (error instanceof SettingsError) {
      process.stderr.write(`${options.name}: ${error.message}\n`);
      process.exit(2);
    }
    throw error;
  }
  const logger = createLogger({ service: options.name, level: settings.logLevel });
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      logger.fatal({ err: error }, `${event}: the process ends`);
      process.exit(1);
    });
  }
  let service: RunningService | undefined;
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) {
      logger.warn({ signal }, 'asked again: the process ends at once');
      process.exit(1);
    }
    stopping = true;
    if (service === undefined) {
      process.exit(0);
    }
    logger.info({ signal }, 'stopping');
    service.close().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.fatal({ err: error }, 'did not stop cleanly');
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    service = await options.start({ settings, logger });
  } catch (error) {
    const mistake = mistakeOf(error);
    if (mistake === undefined) logger.fatal({ err: error }, 'could not start');
    else logger.fatal(`could not start: ${mistake}`);
    process.exit(1);
  }
}

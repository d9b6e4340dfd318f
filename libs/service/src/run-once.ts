import { LOG_LEVELS, createLogger } from '@batuta/observability';
import type { Logger } from '@batuta/observability';
import { mistakeOf } from '@batuta/program';
import { SettingsError, loadSettings, oneOf, secret } from '@batuta/settings';

const schema = {
  databaseUrl: secret({ env: 'DATABASE_URL' }),
  logLevel: oneOf(LOG_LEVELS, { env: 'BATUTA_LOG_LEVEL', default: 'info' }),
} as const;

interface RunOnceOptions {
  /** The service name in each log line. */
  readonly name: string;
  readonly run: (context: { databaseUrl: string; logger: Logger }) => Promise<void>;
}

/**
 * Runs one operator's task on the database of DATABASE_URL as this process, and then ends the process. Exit codes: 0
 * for success, 1 for a failure, 2 for invalid settings.
 */
export async function runOnce(options: RunOnceOptions): Promise<never> {
  let logger: Logger;
  let databaseUrl: string;
  try {
    const settings = loadSettings(schema, process.env);
    logger = createLogger({ service: options.name, level: settings.logLevel });
    databaseUrl = settings.databaseUrl.reveal();
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    process.stderr.write(`${options.name}: ${error.message}\n`);
    process.exit(2);
  }
  try {
    await options.run({ databaseUrl, logger });
  } catch (error) {
    const mistake = mistakeOf(error);
    if (mistake === undefined) logger.fatal({ err: error }, 'failed');
    else logger.fatal(`failed: ${mistake}`);
    process.exit(1);
  }
  process.exit(0);
}

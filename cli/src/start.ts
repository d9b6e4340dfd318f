import type { Logger } from '@batuta/observability';
import { startPlatform } from '@batuta/standalone';
import type { Platform } from '@batuta/standalone';
import { dataDir } from './places.js';
import { CliError, readRunFile } from './api-client.js';

export interface StartOptions {
  readonly logger: Logger;
  readonly port?: number;
  /** File for the services' logs; default: standard output. */
  readonly logFile?: string;
}

/** Starts the platform of this checkout; throws CliError when it runs already. */
export async function startHere(options: StartOptions): Promise<Platform> {
  const dir = dataDir();
  const {
    DATABASE_URL: databaseUrl = '',
    NATS_URL: natsUrl = '',
    NATS_CREDS: natsCredentials = '',
    BATUTA_LAYOUT: layout = '',
  } = process.env;
  try {
    return await startPlatform({
      dataDir: dir,
      logger: options.logger,
      ...(options.port === undefined ? {} : { port: options.port }),
      ...(databaseUrl === '' ? {} : { databaseUrl }),
      ...(natsUrl === '' ? {} : { natsUrl }),
      ...(natsCredentials === '' ? {} : { natsCredentials }),
      ...(layout === '' ? {} : { layout }),
      ...(options.logFile === undefined ? {} : { logFile: options.logFile }),
    });
  } catch (error) {
    if ((error as Error).name === 'LocalStackBusyError') {
      const run = await readRunFile(dir);
      throw new CliError(
        run === undefined
          ? `A platform is starting or stopping in ${dir}. ${(error as Error).message}`
          : `A platform is running already: ${run.url} (process ${run.pid}, key in ${run.api_key_file}). Stop it with Ctrl-C where it runs, or kill ${run.pid}.`,
      );
    }
    throw error;
  }
}

/** Resolves with the name of the first SIGINT or SIGTERM. */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
}

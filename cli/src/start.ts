import type { Logger } from '@batuta/observability';
import { startPlatform } from '@batuta/standalone';
import type { Platform } from '@batuta/standalone';
import { dataDir } from './places.js';
import { alreadyRuns, readRunFile } from '../run-file.js';
import { CliError } from './api-client.js';

interface StartOptions {
  readonly logger: Logger;
  readonly port?: number;
  /** The file for the services' logs. Default: standard output. */
  readonly logFile?: string;
}

/** Starts the platform of this checkout. Throws CliError when it is already running. */
export async function startHere(options: StartOptions): Promise<Platform> {
  const dir = dataDir();
  const {
    DATABASE_URL: databaseUrl = '',
    NATS_URL: natsUrl = '',
    NATS_CREDS: natsCredentials = '',
    BATUTA_NATS_TLS_CA: natsTlsCa = '',
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
      ...(natsTlsCa === '' ? {} : { natsTlsCa }),
      ...(layout === '' ? {} : { layout }),
      ...(options.logFile === undefined ? {} : { logFile: options.logFile }),
    });
  } catch (error) {
    if ((error as Error).name === 'LocalStackBusyError') {
      const run = readRunFile(dir);
      throw new CliError(
        run === undefined
          ? `A platform is starting or stopping in ${dir}. ${(error as Error).message}`
          : alreadyRuns(run),
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

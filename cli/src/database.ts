import { startLocalStack } from '@batuta/local-stack';
import { readRunFile } from '../run-file.js';
import { CliError } from './api-client.js';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

/**
 * The URL of the database to work on directly: DATABASE_URL if set, otherwise that of the platform that runs from
 * `dataDir`. Undefined when none is running.
 */
async function databaseUrlOfRunning(
  dataDir: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  return env['DATABASE_URL'] ?? readRunFile(dataDir)?.database_url;
}

/**
 * Runs work on the database itself: that of DATABASE_URL if set, otherwise the one of the platform here. If the
 * platform is not running, its database is started without the services.
 * @throws CliError when there is no database to work on.
 */
export async function withDatabase<T>(dataDir: string, work: (databaseUrl: string) => Promise<T>): Promise<T> {
  const url = await databaseUrlOfRunning(dataDir);
  if (url !== undefined) {
    return work(url);
  }
  const stack = await startLocalStack({ dataDir, logger: quiet }).catch((error: unknown) => {
    throw new CliError(`the database of ${dataDir} cannot be started: ${(error as Error).message}`);
  });
  try {
    return await work(stack.databaseUrl);
  } finally {
    await stack.stop();
  }
}

import { rebuildReadModels } from '@batuta/execution';
import type { RebuildSummary } from '@batuta/execution';
import { startLocalStack } from '@batuta/local-stack';
import { CliError } from './api-client.js';
import { databaseUrlOfRunning } from './database.js';

/**
 * Rebuilds both read models from the event log: of DATABASE_URL when set, else of the platform here, which may be running.
 * @throws CliError when there is no database to work on.
 */
export async function rebuild(dataDir: string): Promise<RebuildSummary> {
  const url = await databaseUrlOfRunning(dataDir);
  if (url !== undefined) {
    return rebuildReadModels(url);
  }
  const stack = await startLocalStack({ dataDir, logger: quiet }).catch((error: unknown) => {
    throw new CliError(`the database of ${dataDir} cannot be started: ${(error as Error).message}`);
  });
  try {
    return await rebuildReadModels(stack.databaseUrl);
  } finally {
    await stack.stop();
  }
}

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

import { recordCommand } from '@batuta/config';
import { rebuildReadModels } from '@batuta/execution';
import type { RebuildSummary } from '@batuta/execution';
import { withDatabase } from './database.js';

/** Rebuilds both read models from the event log. @throws CliError when there is no database to work on. */
export function rebuild(dataDir: string): Promise<RebuildSummary> {
  return withDatabase(dataDir, async (databaseUrl) => {
    const rebuilt = await rebuildReadModels(databaseUrl);
    await recordCommand(databaseUrl, { action: 'rebuild', resource: 'read models', outcome: 'succeeded' });
    return rebuilt;
  });
}

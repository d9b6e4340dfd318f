import { recordCommand } from '@batuta/config';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ARCHIVE_SETTINGS, archiveProblems, eraseTenant } from '@batuta/execution';
import type { ArchiveSettings, Erasure } from '@batuta/execution';
import { loadSettings } from '@batuta/settings';
import { CliError } from './api-client.js';
import { withDatabase } from './database.js';

/**
 * Counts the rows of a tenant, or removes them when `confirm` repeats its name.
 * @throws CliError when `confirm` is another name, and when there is no database to work on.
 */
export function eraseTenantHere(
  dataDir: string,
  tenantId: string,
  confirm: string | undefined,
  onProgress: (table: string, rows: number) => void,
): Promise<Erasure> {
  if (confirm !== undefined && confirm !== tenantId) {
    throw new CliError(`--confirm ${confirm} is not the tenant that is to be erased, ${tenantId}: nothing was removed`);
  }
  return withDatabase(dataDir, async (databaseUrl) => {
    const archive = archiveOf(dataDir);
    const erasure = await eraseTenant(databaseUrl, tenantId, confirm !== undefined, onProgress, archive);
    if (confirm !== undefined) {
      const outcome = erasure.erased ? 'succeeded' : 'refused';
      await recordCommand(databaseUrl, { action: 'erase-tenant', resource: `tenants/${tenantId}`, outcome });
    }
    return erasure;
  });
}

/** The archive that the environment names, else that of the platform here. */
function archiveOf(dataDir: string, env: NodeJS.ProcessEnv = process.env): ArchiveSettings {
  const here = join(dataDir, 'archive');
  const own =
    env['DATABASE_URL'] === undefined && existsSync(here) ? { BATUTA_ARCHIVE_URL: pathToFileURL(here).href } : {};
  return loadSettings(ARCHIVE_SETTINGS, { ...own, ...env }, archiveProblems);
}

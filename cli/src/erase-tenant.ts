import { eraseTenant } from '@batuta/execution';
import type { Erasure } from '@batuta/execution';
import { CliError } from './api-client.js';
import { withDatabase } from './database.js';

/**
 * Counts the rows of a tenant, or removes them when `confirm` repeats its name.
 * @throws CliError when it does not, and when there is no database to work on.
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
  return withDatabase(dataDir, (databaseUrl) => eraseTenant(databaseUrl, tenantId, confirm !== undefined, onProgress));
}

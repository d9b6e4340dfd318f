import { recordCommand } from '@batuta/config';
import { eraseTenant } from '@batuta/execution';
import type { Erasure } from '@batuta/execution';
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
    const erasure = await eraseTenant(databaseUrl, tenantId, confirm !== undefined, onProgress);
    if (confirm !== undefined) {
      const outcome = erasure.erased ? 'succeeded' : 'refused';
      await recordCommand(databaseUrl, { action: 'erase-tenant', resource: `tenants/${tenantId}`, outcome });
    }
    return erasure;
  });
}

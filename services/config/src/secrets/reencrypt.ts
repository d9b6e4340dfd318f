import { maintenanceUrl } from '@batuta/service';
import { Secret } from '@batuta/settings';
import { AuditLog } from '../audit/audit-log.js';
import { ConfigRows, configDataSource } from '../database/data-source.js';
import { SecretUses } from './secret-uses.js';
import { SecretVault } from './secret-vault.js';
import { Secrets } from './secrets.js';

/**
 * Encrypts the values of all secrets under the first of the keys, beside services that run or without any. `keys` as
 * `BATUTA_SECRETS_KEYS`; with `check` nothing is changed. `left` counts what no key can read, or with `check` what is not under
 * the first. What was interrupted goes on where it was.
 * @throws RangeError for keys that are none, and what PostgreSQL reports.
 */
export async function reencryptSecrets(
  databaseUrl: string,
  keys: string,
  check: boolean,
): Promise<{ readonly renewed: number; readonly left: number }> {
  const vault = SecretVault.of(keys);
  const dataSource = configDataSource({ databaseUrl: new Secret(maintenanceUrl(databaseUrl)), connections: 1 });
  await dataSource.initialize();
  try {
    const rows = new ConfigRows(dataSource);
    const secrets = new Secrets(rows, vault, new SecretUses(new AuditLog(rows)));
    if (check) return { renewed: 0, left: await secrets.outdated() };
    const { renewed, unreadable } = await secrets.renew();
    return { renewed, left: unreadable };
  } finally {
    await dataSource.destroy();
  }
}

import { encryptionKeysOf, maintenanceUrl, SecretCipher } from '@batuta/service';
import { Secret } from '@batuta/settings';
import { NotificationsRows, notificationsDataSource } from '../database/data-source.js';
import { CallbackHeaders } from './callback-headers.js';
import { SIGNING_KEYS, SigningSecrets } from './signing-secrets.js';

interface Reencrypted {
  readonly renewed: number;
  readonly left: number;
}

/**
 * Encrypts all signing secrets and headers of callbacks under the first of the keys, beside services that run or without any. `keys`
 * as `BATUTA_NOTIFICATIONS_ENCRYPTION_KEYS`; with `check` nothing is changed. `left` counts what no key can read, or with `check`
 * what is not under the first. What was interrupted goes on where it was.
 * @throws RangeError for keys that are none, and what PostgreSQL reports.
 */
export async function reencryptCallbacks(
  databaseUrl: string,
  keys: string,
  check: boolean,
): Promise<{ readonly signingSecrets: Reencrypted; readonly headers: Reencrypted }> {
  const found = encryptionKeysOf(keys);
  if (found === undefined) {
    throw new RangeError(`${SIGNING_KEYS.variable} must be keys of 32 bytes in Base64, with commas between`);
  }
  const cipher = new SecretCipher(found, SIGNING_KEYS);
  const dataSource = notificationsDataSource({ databaseUrl: new Secret(maintenanceUrl(databaseUrl)), connections: 1 });
  await dataSource.initialize();
  try {
    const rows = new NotificationsRows(dataSource);
    const [secrets, headers] = [new SigningSecrets(rows, cipher), new CallbackHeaders(rows, cipher)];
    if (check) {
      const [ofSecrets, ofHeaders] = [await secrets.outdated(), await headers.outdated()];
      return { signingSecrets: { renewed: 0, left: ofSecrets }, headers: { renewed: 0, left: ofHeaders } };
    }
    const [ofSecrets, ofHeaders] = [await secrets.renew(), await headers.renew()];
    return {
      signingSecrets: { renewed: ofSecrets.renewed, left: ofSecrets.unreadable },
      headers: { renewed: ofHeaders.renewed, left: ofHeaders.unreadable },
    };
  } finally {
    await dataSource.destroy();
  }
}

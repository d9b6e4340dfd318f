import { readFile } from 'node:fs/promises';
import type { Logger } from '@batuta/observability';
import { SecretVault } from '../secrets/secret-vault.js';
import type { Secrets } from '../secrets/secrets.js';
import type { ConfigSettings } from '../settings.js';

/** Throws when the file cannot be read or has other content. */
export async function vaultOf({ secretsKeys, secretsKeysFile }: ConfigSettings): Promise<SecretVault> {
  if (secretsKeysFile === undefined) return SecretVault.of(secretsKeys?.reveal() ?? '');
  const keys = (await readFile(secretsKeysFile, 'utf8')).trim();
  if (keys === '') throw new RangeError(`the file of BATUTA_SECRETS_KEYS_FILE is empty: ${secretsKeysFile}`);
  return SecretVault.of(keys);
}

/** Encrypts secrets with the newest key. If the service cannot read some of them, it starts anyway and logs this. */
export async function renewSecrets(secrets: Secrets, vault: SecretVault, logger: Logger): Promise<void> {
  if (!vault.enabled) logger.info('no secrets can be kept: BATUTA_SECRETS_KEYS is not set');
  const { renewed, unreadable } = await secrets.renew();
  if (renewed > 0) logger.info({ count: renewed }, 'secrets encrypted with the newest key');
  if (unreadable > 0) {
    logger.error(
      { count: unreadable },
      'secrets cannot be read with BATUTA_SECRETS_KEYS: steps that use them wait until the key is set or the secret is put again',
    );
  }
}

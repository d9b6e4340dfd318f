import type { Logger } from '@batuta/observability';
import { encryptionKeysOf, SecretCipher } from '@batuta/service';
import { CallbackHeaders } from '../callbacks/callback-headers.js';
import { SIGNING_KEYS, SigningSecrets } from '../callbacks/signing-secrets.js';
import type { NotificationsRows } from '../database/data-source.js';
import type { NotificationsSettings } from '../settings.js';

interface CallbackSecrets {
  readonly secretCipher: SecretCipher;
  readonly secrets: SigningSecrets;
  readonly headers: CallbackHeaders;
}

/**
 * The secrets of callbacks. Those that are stored are encrypted with the newest key. If the service cannot read some of
 * them, it starts anyway and logs this.
 */
export async function openSecrets(
  { encryptionKeys }: NotificationsSettings,
  rows: NotificationsRows,
  logger: Logger,
): Promise<CallbackSecrets> {
  const secretCipher = new SecretCipher(encryptionKeysOf(encryptionKeys?.reveal() ?? '') ?? [], SIGNING_KEYS);
  const secrets = new SigningSecrets(rows, secretCipher);
  const headers = new CallbackHeaders(rows, secretCipher);
  if (!secretCipher.enabled) {
    logger.warn(
      'signing secrets and headers of callbacks are stored in the clear: set BATUTA_NOTIFICATIONS_ENCRYPTION_KEYS',
    );
  }
  report(await secrets.renew(), logger, {
    what: 'signing secrets',
    remedy: 'the key is set or the secret is rotated',
  });
  report(await headers.renew(), logger, {
    what: 'headers of callbacks',
    remedy: 'the key is set or the callback is made again',
  });
  return { secretCipher, secrets, headers };
}

/** Logs what became of stored secrets. */
function report(
  { renewed, unreadable }: { readonly renewed: number; readonly unreadable: number },
  logger: Logger,
  { what, remedy }: { readonly what: string; readonly remedy: string },
): void {
  if (renewed > 0) logger.info({ count: renewed }, `${what} encrypted with the newest key`);
  if (unreadable === 0) return;
  logger.error(
    { count: unreadable },
    `${what} cannot be read with BATUTA_NOTIFICATIONS_ENCRYPTION_KEYS: their webhooks fail until ${remedy}`,
  );
}

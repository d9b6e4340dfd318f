import { onReconnect } from '@batuta/messaging';
import type { Logger } from '@batuta/observability';
import type { Opened } from '@batuta/service';
import type { NatsConnection } from '@nats-io/nats-core';
import type { PoolCredentials } from '../credentials/pool-credentials.js';

/**
 * Tells NATS the revoked credentials of workers, now and after each reconnect: a server that has started again may have
 * an older list, from its configuration.
 */
export function tellRevocations(
  nats: NatsConnection,
  credentials: PoolCredentials,
  logger: Logger,
  opened: Opened,
): void {
  let told: Promise<void> = Promise.resolve();
  const tell = (): void => {
    told = told
      .then(() => credentials.tellAgain())
      .catch((error: unknown) => logger.error({ err: error }, 'revoked credentials of workers cannot be told to NATS'));
  };
  tell();
  const forget = onReconnect(nats, tell);
  opened.push(async () => {
    forget();
    await told;
  });
}

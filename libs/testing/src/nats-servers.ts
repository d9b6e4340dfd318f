import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const BUILT = fileURLToPath(new URL('../../../node_modules/.cache/batuta/newer/nats-server', import.meta.url));

/**
 * A newer nats-server than the system's: `BATUTA_NATS_SERVER_NEW`, or the one that `npm run nats:newer` built.
 * Undefined when there is none.
 */
export function newerNatsServer(): string | undefined {
  const named = process.env['BATUTA_NATS_SERVER_NEW'];
  if (named !== undefined && named !== '') return named;
  return existsSync(BUILT) ? BUILT : undefined;
}

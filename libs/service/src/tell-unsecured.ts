import { isSecured } from '@batuta/contracts';
import type { PostgresService } from '@batuta/contracts';
import type { Logger } from '@batuta/observability';

/**
 * Warns at a service's start when its requests are not under row level security. An installation may use one role for
 * everything.
 */
export async function tellUnsecured(
  ask: (sql: string) => Promise<readonly { readonly secured: boolean }[]>,
  service: PostgresService,
  logger: Pick<Logger, 'warn'>,
): Promise<void> {
  const [row] = await ask(isSecured(service));
  if (row?.secured === true) return;
  logger.warn(
    'requests are not under row level security: make the roles of PostgreSQL with prepare-database.js, then run migrate.js',
  );
}

import { prepareRoles } from '@batuta/contracts';
import type { PostgresPasswords } from '@batuta/contracts';
import { LOG_LEVELS, createLogger } from '@batuta/observability';
import { mistakeOf } from '@batuta/program';
import { SettingsError, loadSettings, oneOf, secret } from '@batuta/settings';
import pg from 'pg';

const schema = {
  adminUrl: secret({ env: 'DATABASE_ADMIN_URL', optional: true }),
  owner: secret({ env: 'BATUTA_DATABASE_OWNER_PASSWORD', minLength: 8 }),
  config: secret({ env: 'BATUTA_DATABASE_CONFIG_PASSWORD', minLength: 8 }),
  execution: secret({ env: 'BATUTA_DATABASE_EXECUTION_PASSWORD', minLength: 8 }),
  notifications: secret({ env: 'BATUTA_DATABASE_NOTIFICATIONS_PASSWORD', minLength: 8 }),
  logLevel: oneOf(LOG_LEVELS, { env: 'BATUTA_LOG_LEVEL', default: 'info' }),
} as const;

const ASCII = /^[\x21-\x7e]+$/;
const PASSWORDS = ['owner', 'config', 'execution', 'notifications'] as const;

/** Settings of the command. Throws a `SettingsError`. */
function read(): ReturnType<typeof loadSettings<typeof schema>> {
  return loadSettings(schema, process.env, (settings) =>
    PASSWORDS.filter((name) => !ASCII.test(settings[name].reveal())).map((name) => ({
      variables: [schema[name].env],
      expected: 'must have letters, digits and signs of ASCII only, and no space',
    })),
  );
}

/** Makes the roles or brings them up to date, in one transaction. */
async function prepare(adminUrl: string, passwords: PostgresPasswords): Promise<void> {
  const client = new pg.Client({
    connectionString: adminUrl,
    application_name: 'batuta-prepare-database',
    connectionTimeoutMillis: 10_000,
  });
  try {
    await client.connect();
    await client.query('BEGIN');
    for (const statement of prepareRoles(passwords)) await client.query(statement);
    await client.query('COMMIT');
  } finally {
    await client.end();
  }
}

// Makes the roles of a database; a repeat does no harm: docs/operations.md, roles of PostgreSQL.
try {
  const settings = read();
  const logger = createLogger({ service: 'prepare-database', level: settings.logLevel });
  if (settings.adminUrl === undefined) {
    logger.info('DATABASE_ADMIN_URL is not set: the roles are left as the administrator made them');
  } else {
    try {
      await prepare(settings.adminUrl.reveal(), {
        owner: settings.owner.reveal(),
        config: settings.config.reveal(),
        execution: settings.execution.reveal(),
        notifications: settings.notifications.reveal(),
      });
      logger.info('the roles of the database are up to date');
    } catch (error) {
      const mistake = mistakeOf(error)?.replaceAll('DATABASE_URL', 'DATABASE_ADMIN_URL');
      if (mistake === undefined) logger.fatal({ err: error }, 'failed');
      else logger.fatal(`failed: ${mistake}`);
      process.exitCode = 1;
    }
  }
} catch (error) {
  if (!(error instanceof SettingsError)) throw error;
  process.stderr.write(`prepare-database: ${error.message}\n`);
  process.exitCode = 2;
}

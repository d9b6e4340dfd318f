import { randomBytes } from 'node:crypto';
import { postgresRole } from '@batuta/contracts';
import type { PostgresService } from '@batuta/contracts';
import { databaseUrlOf, Secret } from '@batuta/settings';
import pg from 'pg';
import { eventually } from './eventually.js';

const CONNECTIONS_END_MS = 2000;

/** A migrated database from which others are copied. */
export interface DatabaseTemplate {
  readonly name: string;
}

/** The database of one test file. */
export interface TestDatabase {
  readonly name: string;
  readonly url: string;
  /** Removes it. If connections to it were still open, it throws `LeakedConnectionsError` after removing it. */
  drop(): Promise<void>;
}

/** A test left connections open. Each is listed with its application, state and last statement. */
export class LeakedConnectionsError extends Error {
  override readonly name = 'LeakedConnectionsError';
}

/**
 * Creates a database for a test file on the PostgreSQL of the jest run, either empty or as a copy of a template.
 *
 *     const template = await templateFor('execution', migrate);
 *     const database = await createTestDatabase({ template });
 */
export async function createTestDatabase(
  options: { readonly template?: DatabaseTemplate } = {},
): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await withServer(async (client) => {
    await client.query(
      `CREATE DATABASE ${pg.escapeIdentifier(name)} TEMPLATE ${pg.escapeIdentifier(options.template?.name ?? 'template0')}`,
    );
  });
  return {
    name,
    url: urlOf(name),
    async drop() {
      await withServer(async (client) => {
        const leaked = await openConnections(client, name);
        await client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`);
        if (leaked.length > 0) {
          throw new LeakedConnectionsError(
            `${leaked.length} connection(s) to the test database were left open:\n${leaked.join('\n')}`,
          );
        }
      });
    },
  };
}

/**
 * A template that `migrate` fills. It is created once in a jest run, however many files and workers need `name`.
 *
 * `migrate` gets the URL of the empty database and must close its connections. Throws the errors of `migrate`, and
 * `LeakedConnectionsError`; the next caller then tries again.
 */
export async function templateFor(
  name: string,
  migrate: (databaseUrl: string) => Promise<void>,
): Promise<DatabaseTemplate> {
  const template = `template_${name}`;
  const draft = `${template}_draft`;
  await withServer(async (client) => {
    // Workers are processes. The server holds the lock, and releases it with the connection.
    await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [template]);
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [template]);
    if (rowCount !== 0) return;
    await client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(draft)} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${pg.escapeIdentifier(draft)} TEMPLATE template0`);
    await migrate(urlOf(draft));
    const leaked = await openConnections(client, draft);
    if (leaked.length > 0) {
      throw new LeakedConnectionsError(`The migration of ${name} left connections open:\n${leaked.join('\n')}`);
    }
    await client.query(`ALTER DATABASE ${pg.escapeIdentifier(draft)} RENAME TO ${pg.escapeIdentifier(template)}`);
  });
  return { name: template };
}

/**
 * The URL of the same database with the role of a service. The role has the service's rights once its schema is
 * migrated.
 */
export function urlAs(service: PostgresService, databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.username = postgresRole(service);
  const databasePasswordFile = process.env['BATUTA_TEST_DATABASE_PASSWORDS'];
  return databaseUrlOf({ databaseUrl: new Secret(url.href), databasePasswordFile }, service).reveal();
}

function serverUrl(): string {
  const url = process.env['BATUTA_TEST_DATABASE_URL'];
  if (url === undefined) {
    throw new Error('No PostgreSQL runs for these tests: their jest project needs libs/testing/jest/global-setup.mjs.');
  }
  return url;
}

function urlOf(database: string): string {
  const url = new URL(serverUrl());
  url.pathname = `/${database}`;
  return url.href;
}

async function withServer(work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl(), application_name: 'batuta-testing' });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

/** The connections that stay open. The server notices a closed socket shortly after the client has closed it. */
async function openConnections(client: pg.Client, database: string): Promise<string[]> {
  let open: string[] = [];
  await eventually(
    async () => {
      const { rows } = await client.query<{ description: string }>(
        `SELECT format('  %s (server process %s, %s): %s', coalesce(nullif(application_name, ''), 'without a name'), pid,
                  state, left(regexp_replace(query, '\\s+', ' ', 'g'), 200)) AS description
           FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend' ORDER BY backend_start`,
        [database],
      );
      open = rows.map((row) => row.description);
      return open.length === 0;
    },
    { timeoutMs: CONNECTIONS_END_MS },
  ).catch((error: unknown) => {
    if (open.length === 0) throw error;
  });
  return open;
}

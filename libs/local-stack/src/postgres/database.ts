import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { POSTGRES_SERVICES, prepareRoles } from '@batuta/contracts';
import type { PostgresPasswords } from '@batuta/contracts';
import pg from 'pg';
import { LocalStackError } from '../errors.js';

/** The administrator. */
export const USER = 'batuta';

export interface Login {
  readonly port: number;
  readonly password: string;
  readonly database: string;
}

/** The passwords of the roles, one file each. They are created at the first start. */
export async function keptPasswords(directory: string): Promise<PostgresPasswords> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const passwords = await Promise.all(
    [...POSTGRES_SERVICES, 'owner' as const].map(async (name) => {
      const file = path.join(directory, name);
      const kept = (await readFile(file, 'utf8').catch(() => '')).trim();
      const password = kept === '' ? randomBytes(24).toString('hex') : kept;
      if (kept === '') await writeFile(file, `${password}\n`, { mode: 0o600, flush: true });
      return [name, password] as const;
    }),
  );
  return Object.fromEntries(passwords) as unknown as PostgresPasswords;
}

/**
 * Creates the roles, and gives them the objects that an earlier version created as the administrator. Nobody else uses
 * this server, so its other databases are closed too.
 */
export async function prepareDatabase(
  { port, password, database }: Login,
  passwords: PostgresPasswords,
): Promise<void> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: USER, password, database });
  await client.connect();
  try {
    await client.query('BEGIN');
    for (const statement of prepareRoles(passwords)) await client.query(statement);
    await client.query('REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC');
    await client.query('COMMIT');
  } finally {
    await client.end();
  }
}

/** Whether the server accepts the login. Throws when it refuses it for another reason than its start. */
export async function answers({ port, password, database }: Login): Promise<boolean> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: USER,
    password,
    database,
    connectionTimeoutMillis: 5000,
    application_name: 'batuta-local-stack',
  });
  // When the starting server closes a connection, the error arrives twice: from connect() and here.
  client.on('error', () => {});
  try {
    await client.connect();
    return true;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // 57P03: the server is starting or recovering.
    if (code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === '57P03' || /terminated|timeout/.test(message)) {
      return false;
    }
    throw new LocalStackError(`PostgreSQL on 127.0.0.1:${port} refuses us: ${message}`, { cause: error });
  } finally {
    await client.end();
  }
}

export async function createDatabase({ port, password, database }: Login): Promise<void> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: USER, password, database: 'postgres' });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`);
  } finally {
    await client.end();
  }
}

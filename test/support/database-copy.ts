import { execFile } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);

/** The rows of each table (`schema.name`), in the format of COPY. */
export type DatabaseCopy = ReadonlyMap<string, string>;

/** Runs a command of the image (such as `services/execution/dist/rebuild.js`) on a database. Throws when it fails. */
export async function runCommand(
  file: string,
  databaseUrl: string,
  more: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { stdout } = await run(process.execPath, ['--enable-source-maps', `${ROOT}${file}`], {
    env: { PATH: process.env['PATH'], DATABASE_URL: databaseUrl, ...more },
  });
  return stdout;
}

async function connected<T>(databaseUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** All rows of all tables of the platform from a single snapshot, like pg_dump. Migrations do not count as data. */
export function dumpDatabase(databaseUrl: string): Promise<DatabaseCopy> {
  return connected(databaseUrl, async (client) => {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const { rows } = await client.query<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
       WHERE schemaname IN ('config', 'execution', 'notifications') AND tablename NOT LIKE '%migrations' ORDER BY 1`,
    );
    const copy = new Map<string, string>();
    for (const { name } of rows) copy.set(name, await text(client.query(copyTo(`COPY ${name} TO STDOUT`))));
    await client.query('COMMIT');
    return copy;
  });
}

/** Drops the database with its content and creates an empty one with the same name. */
export function recreateDatabase(databaseUrl: string): Promise<void> {
  const url = new URL(databaseUrl);
  const name = pg.escapeIdentifier(url.pathname.slice(1));
  url.pathname = '/postgres';
  return connected(url.href, async (client) => {
    await client.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${name}`);
  });
}

/** Fills a migrated database with dumped rows, which replace the rows that migrations created. */
export function restoreDatabase(databaseUrl: string, copy: DatabaseCopy): Promise<void> {
  return connected(databaseUrl, async (client) => {
    await client.query('BEGIN');
    // Rows refer to rows of tables that are restored later. The dump itself was consistent.
    await client.query("SET LOCAL session_replication_role = 'replica'");
    await client.query(`TRUNCATE ${[...copy.keys()].join(', ')}`);
    for (const [name, rows] of copy) {
      await pipeline(Readable.from([rows]), client.query(copyFrom(`COPY ${name} FROM STDIN`)));
    }
    await client.query('COMMIT');
  });
}

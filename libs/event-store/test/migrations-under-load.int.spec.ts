import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { isConcurrentSchemaChange } from '@batuta/contracts';
import { createTestDatabase, eventually, templateFor } from '@batuta/testing';
import type { TestDatabase } from '@batuta/testing';
import pg from 'pg';
import { migrateEventStore } from '../src/index.js';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase({ template: await templateFor('execution', migrateEventStore) });
});

afterAll(() => database?.drop());

const connect = async (): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  return client;
};

it('a migration behind a long reader delays writers only briefly, and completes when the reader ends', async () => {
  const [reader, writer, watcher] = [await connect(), await connect(), await connect()];
  try {
    // Restores the state before the migration that drops this constraint. That migration needs an exclusive lock on the
    // table.
    await writer.query(`ALTER TABLE execution.orchestration_step_runs
      ADD CONSTRAINT orchestration_step_runs_execution_id_step_id_key UNIQUE (execution_id, step_id)`);
    await writer.query('DELETE FROM execution.migrations WHERE version = 5');
    await reader.query('BEGIN');
    await reader.query('SELECT count(*) FROM execution.orchestration_step_runs');

    let done = false;
    const migration = migrateEventStore(database.url).then(() => {
      done = true;
    });
    let hasWaited = false;
    let longest = 0;
    // After the migration has started to wait for the lock, the writer must still succeed several times.
    for (let after = 0; after < 20; after += hasWaited ? 1 : 0) {
      const sent = performance.now();
      const written = writer.query('UPDATE execution.orchestration_step_runs SET version = version WHERE false');
      const { rows } = await watcher.query<{ waits: boolean }>(
        `SELECT count(*) > 0 AS waits FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'batuta-execution-migrations' AND wait_event_type = 'Lock'`,
      );
      hasWaited ||= rows[0]?.waits === true;
      await written;
      longest = Math.max(longest, performance.now() - sent);
    }
    expect(done).toBe(false);
    // A turn takes a second. The rest is tolerance for slow machines.
    expect(longest).toBeLessThan(30_000);

    await reader.query('COMMIT');
    await migration;
    await eventually(async () => {
      const { rows } = await writer.query('SELECT FROM execution.migrations WHERE version = 5');
      expect(rows).toHaveLength(1);
    });
  } finally {
    await reader.end();
    await writer.end();
    await watcher.end();
  }
});

it('processes that start together all prepare an empty database, and build each index once', async () => {
  const empty = await createTestDatabase();
  try {
    await Promise.all(Array.from({ length: 8 }, () => migrateEventStore(empty.url)));
    const client = new pg.Client({ connectionString: empty.url });
    await client.connect();
    try {
      const { rows } = await client.query<{ name: string }>(
        `SELECT indexrelid::regclass::text AS name FROM pg_index
         WHERE NOT indisvalid AND indexrelid::regclass::text LIKE 'execution.%'`,
      );
      expect(rows).toEqual([]);
    } finally {
      await client.end();
    }
  } finally {
    await empty.drop();
  }
}, 300_000);

it('knows what PostgreSQL says when two processes change the same row of its catalogue', async () => {
  const [first, second] = [await connect(), await connect()];
  try {
    await first.query('BEGIN');
    await first.query('GRANT SELECT ON execution.migrations TO PUBLIC');
    const refused = second.query('REVOKE ALL ON execution.migrations FROM PUBLIC').catch((error: unknown) => error);
    await eventually(async () => {
      const { rows } = await first.query<{ waits: boolean }>(
        `SELECT count(*) > 0 AS waits FROM pg_locks WHERE NOT granted
         AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())`,
      );
      expect(rows[0]?.waits).toBe(true);
    });
    await first.query('COMMIT');
    const error = await refused;
    expect(error).toBeInstanceOf(Error);
    expect(isConcurrentSchemaChange(error)).toBe(true);
    expect(isConcurrentSchemaChange({ driverError: error })).toBe(true);
    expect(isConcurrentSchemaChange(new Error('tuple concurrently updated'))).toBe(false);
  } finally {
    await first.end();
    await second.end();
  }
});

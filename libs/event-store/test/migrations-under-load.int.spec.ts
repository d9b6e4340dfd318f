import { afterAll, beforeAll, expect, it } from '@jest/globals';
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

it('a migration behind a long reader holds writers up for moments only, and is done when the reader ends', async () => {
  const [reader, writer] = [await connect(), await connect()];
  try {
    // As before the migration that takes this constraint away, which needs the table for itself.
    await writer.query(`ALTER TABLE execution.orchestration_step_runs
      ADD CONSTRAINT orchestration_step_runs_execution_id_step_id_key UNIQUE (execution_id, step_id)`);
    await writer.query('DELETE FROM execution.migrations WHERE version = 5');
    await reader.query('BEGIN');
    await reader.query('SELECT count(*) FROM execution.orchestration_step_runs');

    let done = false;
    const migration = migrateEventStore(database.url).then(() => {
      done = true;
    });
    const waits: number[] = [];
    const until = performance.now() + 6_000;
    let waited = 0;
    while (performance.now() < until) {
      const sent = performance.now();
      await writer.query('UPDATE execution.orchestration_step_runs SET version = version WHERE false');
      waits.push(performance.now() - sent);
      const { rows } = await writer.query<{ waiting: number }>(
        `SELECT count(*)::int AS waiting FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'batuta-execution-migrations' AND wait_event_type = 'Lock'`,
      );
      waited += rows[0]?.waiting ?? 0;
    }
    expect(done).toBe(false);
    // It did wait for the lock meanwhile, and whoever came after it waited no longer than its turn.
    expect(waited + waits.filter((ms) => ms > 100).length).toBeGreaterThan(0);
    expect(Math.max(...waits)).toBeLessThan(2_500);
    expect(waits.filter((ms) => ms < 100).length).toBeGreaterThan(20);

    await reader.query('COMMIT');
    await migration;
    await eventually(async () => {
      const { rows } = await writer.query('SELECT FROM execution.migrations WHERE version = 5');
      expect(rows).toHaveLength(1);
    });
  } finally {
    await reader.end();
    await writer.end();
  }
});

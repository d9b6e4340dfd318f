import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, eventually, templateFor } from '@batuta/testing';
import type { TestDatabase } from '@batuta/testing';
import pg from 'pg';
import { PostgresEventStore, encodeJson, migrateEventStore } from '../src/index.js';
import type { NewEvent } from '../src/index.js';
import { eventStoreContract, readLog } from './contract.js';

eventStoreContract('in PostgreSQL', async () => {
  const template = await templateFor('execution', migrateEventStore);
  const database = await createTestDatabase({ template });
  return { store: new PostgresEventStore({ databaseUrl: database.url }), close: () => database.drop() };
});

describe('the event store in PostgreSQL under races', () => {
  let database: TestDatabase;
  let store: PostgresEventStore;
  let blocker: pg.Client;
  /** Not the blocker: within a transaction activity is seen as it was at first. */
  let observer: pg.Client;

  beforeAll(async () => {
    database = await createTestDatabase({ template: await templateFor('execution', migrateEventStore) });
    store = new PostgresEventStore({ databaseUrl: database.url });
    blocker = new pg.Client({ connectionString: database.url });
    await blocker.connect();
    observer = new pg.Client({ connectionString: database.url });
    await observer.connect();
    await store.fixPartitionCount(4);
    await store.register('me', 'first', 60_000);
  });

  afterAll(async () => {
    await blocker.end();
    await observer.end();
    await store.close();
    await database.drop();
  });

  const started = (executionId: string, partition: number): NewEvent => ({
    executionId,
    partition,
    version: 1,
    type: 'ExecutionStarted',
    commandId: 'c',
    at: 1,
    data: encodeJson({}),
  });

  async function waitingStatements(): Promise<number> {
    const { rows } = await observer.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return rows[0]?.n ?? 0;
  }

  it.each([
    { commit: 'of one partition', others: [] },
    { commit: 'of two partitions', others: [3] },
  ])('fences a commit $commit that waited for the row while another owner took it', async ({ others }) => {
    const { partitions } = await store.view();
    const claims = [0, ...others].map((partition) => ({ partition, epoch: partitions[partition]?.epoch ?? -1 }));
    const fences = (await store.claim('me', 'first', claims)).map(({ partition, epoch }) => ({
      partition,
      epoch,
      publishedPosition: 0,
    }));
    const lane = store.openLane();
    await blocker.query('BEGIN');
    await blocker.query('UPDATE execution.partitions SET epoch = epoch + 1, owner = $1 WHERE id = 0', ['other']);
    const commit = lane.commit({
      partitions: fences,
      events: fences.map(({ partition }) => started(`00000000-0000-7000-8000-0000000000e${partition}`, partition)),
      started: [],
      changed: [],
    });
    await eventually(async () => (await waitingStatements()) === 1);
    await blocker.query('COMMIT');
    expect(await commit).toEqual({ kind: 'committed', held: new Map(others.map((partition) => [partition, 0])) });
    expect((await readLog(store, 0, 0, 10, [])).events).toEqual([]);
    for (const partition of others) expect((await readLog(store, partition, 0, 10, [])).events).toHaveLength(1);
    await lane.close();
  });

  it('shows a takeover everything that an earlier commit it waited for has written', async () => {
    const [mine] = await store.claim('me', 'first', [{ partition: 1, epoch: 0 }]);
    const id = '00000000-0000-7000-8000-0000000000f2';
    await blocker.query('BEGIN');
    await blocker.query(
      `INSERT INTO execution.events (partition, position, execution_id, version, type, command_id, at, data)
       VALUES (1, 1, $1, 1, 'ExecutionStarted', 'c', 1, '{}')`,
      [id],
    );
    await blocker.query('UPDATE execution.partitions SET last_position = 1 WHERE id = 1');
    const claim = store.claim('me', 'first', [{ partition: 1, epoch: mine?.epoch ?? -1 }]);
    await eventually(async () => (await waitingStatements()) === 1);
    await blocker.query('COMMIT');
    expect(await claim).toMatchObject([{ partition: 1, epoch: 2, lastPosition: 1 }]);
    expect((await readLog(store, 1, 0, 10, [])).events.map((event) => event.executionId)).toEqual([id]);
  });

  it('calls the outcome unknown when the connection is cut, and works again afterwards', async () => {
    const [mine] = await store.claim('me', 'first', [{ partition: 2, epoch: 0 }]);
    const lane = store.openLane();
    const request = {
      partitions: [{ partition: 2, epoch: mine?.epoch ?? -1, publishedPosition: 0 }],
      events: [started('00000000-0000-7000-8000-0000000000f3', 2)],
      started: [],
      changed: [],
    };
    await blocker.query('BEGIN');
    await blocker.query('SELECT FROM execution.partitions WHERE id = 2 FOR UPDATE');
    const commit = lane.commit(request);
    await eventually(async () => (await waitingStatements()) === 1);
    await observer.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    expect(await commit).toMatchObject({ kind: 'unknown' });
    await blocker.query('ROLLBACK');
    expect(await lane.commit(request)).toMatchObject({ kind: 'committed' });
    await lane.close();
  });

  it('runs each migration once when processes start together', async () => {
    const empty = await createTestDatabase();
    await Promise.all([migrateEventStore(empty.url), migrateEventStore(empty.url), migrateEventStore(empty.url)]);
    await migrateEventStore(empty.url);
    const client = new pg.Client({ connectionString: empty.url });
    await client.connect();
    const { rows } = await client.query('SELECT version FROM execution.migrations');
    await client.end();
    expect(rows).toEqual([{ version: 1 }, { version: 2 }, { version: 3 }, { version: 4 }]);
    await empty.drop();
  });
});

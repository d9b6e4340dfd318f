import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, eventually, templateFor } from '@batuta/testing';
import type { TestDatabase } from '@batuta/testing';
import pg from 'pg';
import { PostgresEventStore, PostgresStreams, encodeJson, migrateEventStore } from '../src/index.js';
import type { NewEvent } from '../src/index.js';
import { COUNTERS, COUNTER_TABLE, CREATE_COUNTERS, TOY_KINDS, eventStoreContract, readLog } from './contract.js';

const toys = new PostgresStreams(TOY_KINDS, COUNTER_TABLE);

eventStoreContract('in PostgreSQL', COUNTERS, async () => {
  const template = await templateFor('execution', migrateEventStore);
  const database = await createTestDatabase({ template });
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(CREATE_COUNTERS);
  await client.end();
  return { store: new PostgresEventStore({ databaseUrl: database.url }, toys), close: () => database.drop() };
});

describe('the event store in PostgreSQL under races', () => {
  let database: TestDatabase;
  let store: PostgresEventStore;
  let blocker: pg.Client;
  /** Its own connection, because pg_stat_activity does not change within a transaction, and the blocker is in one. */
  let observer: pg.Client;

  beforeAll(async () => {
    database = await createTestDatabase({ template: await templateFor('execution', migrateEventStore) });
    store = new PostgresEventStore({ databaseUrl: database.url }, new PostgresStreams(TOY_KINDS));
    blocker = new pg.Client({ connectionString: database.url });
    await blocker.connect();
    observer = new pg.Client({ connectionString: database.url });
    await observer.connect();
    await store.fixPartitionCount(8);
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
    type: 'CounterCreated',
    commandId: 'c',
    at: 1,
    data: encodeJson({}),
    link: '',
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
  ])('fences a commit $commit that waited for the row while another owner took the partition', async ({ others }) => {
    const { partitions } = await store.view();
    const claims = [0, ...others].map((partition) => ({ partition, epoch: partitions[partition]?.epoch ?? -1 }));
    const fences = (await store.claim('me', 'first', claims)).map(({ partition, epoch }) => ({
      partition,
      epoch,
      lastPosition: 0,
      publishedPosition: 0,
    }));
    const lane = store.openLane();
    await blocker.query('BEGIN');
    await blocker.query('UPDATE execution.partitions SET epoch = epoch + 1, owner = $1 WHERE id = 0', ['other']);
    const commit = lane.commit({
      partitions: fences,
      events: fences.map(({ partition }) => started(`00000000-0000-7000-8000-0000000000e${partition}`, partition)),
    });
    await eventually(async () => (await waitingStatements()) === 1);
    await blocker.query('COMMIT');
    expect(await commit).toEqual({ kind: 'committed', held: new Map(others.map((partition) => [partition, 0])) });
    expect((await readLog(store, 0, 0, 10, [])).events).toEqual([]);
    for (const partition of others) expect((await readLog(store, partition, 0, 10, [])).events).toHaveLength(1);
    await lane.close();
  });

  it('leaves large fields of events out for a reader that does not want them', async () => {
    const [claimed] = await store.claim('me', 'first', [{ partition: 5, epoch: 0 }]);
    if (claimed === undefined) throw new Error('the partition was not claimed');
    const lane = store.openLane();
    const id = '00000000-0000-7000-8000-000000005000';
    const payloads = [
      // Compression makes it small.
      { input: 'x'.repeat(20_000), kept: 'y'.repeat(20_000) },
      { input: Array.from({ length: 5_000 }, (_, n) => n * n), other: 1 },
      { input: { small: true }, output: null },
      { input: 'a'.repeat(900) },
    ];
    const events = payloads.map((data, at) => ({ ...started(id, 5), version: at + 1, data: encodeJson(data) }));
    await lane.commit({ partitions: [{ ...claimed, lastPosition: 0, publishedPosition: 0 }], events });
    await lane.close();
    const leaveOut = { name: 'test', types: ['CounterCreated'], fields: ['input'], bytes: 1_000, mark: 'left' };
    const small = new PostgresEventStore({ databaseUrl: database.url, leaveOut }, new PostgresStreams(TOY_KINDS));
    const elsewhere = new PostgresEventStore(
      { databaseUrl: database.url, leaveOut: { ...leaveOut, name: 'others', types: ['Counted'] } },
      new PostgresStreams(TOY_KINDS),
    );
    try {
      const expected = [
        { input: { left: 20_002 }, kept: 'y'.repeat(20_000) },
        { input: { left: expect.any(Number) }, other: 1 },
        payloads[2],
        payloads[3],
      ];
      expect((await small.readEvents(id, 1, 10)).map(({ data }) => data)).toEqual(expected);
      expect((await small.readStreams([id])).get(id)?.map(({ data }) => data)).toEqual(expected);
      expect((await elsewhere.readEvents(id, 1, 10)).map(({ data }) => data)).toEqual(payloads);
    } finally {
      await small.close();
      await elsewhere.close();
    }
  });

  it('reads few large events of the log at once, and says that there are more', async () => {
    const [claimed] = await store.claim('me', 'first', [{ partition: 6, epoch: 0 }]);
    if (claimed === undefined) throw new Error('the partition was not claimed');
    const lane = store.openLane();
    const id = '00000000-0000-7000-8000-000000006000';
    const data = encodeJson({ text: 'x'.repeat(1_800_000) });
    const events = Array.from({ length: 40 }, (_, at) => ({ ...started(id, 6), version: at + 1, data }));
    // A few at a time, because a commit takes all of them into one statement.
    for (let at = 0; at < events.length; at += 5) {
      const partitions = [{ ...claimed, lastPosition: at, publishedPosition: 0 }];
      const outcome = await lane.commit({ partitions, events: events.slice(at, at + 5) });
      expect(outcome).toMatchObject({ kind: 'committed' });
    }
    await lane.close();
    const positions: number[] = [];
    let pages = 0;
    for (let after = 0; ;) {
      const [page] = await store.readLogs([{ partition: 6, after }], 1_000);
      pages += 1;
      expect(page?.events.length).toBeLessThan(20);
      positions.push(...(page?.events ?? []).map(({ position }) => position));
      expect(page?.position).toBe(positions.at(-1));
      after = page?.position ?? 0;
      if (page?.more !== true) break;
    }
    expect(positions).toEqual(events.map((_, index) => index + 1));
    expect(pages).toBeGreaterThan(2);
    // Small events come together.
    const small = Array.from({ length: 60 }, (_, at) => ({ ...started(id, 6), version: 41 + at }));
    const again = store.openLane();
    await again.commit({ partitions: [{ ...claimed, lastPosition: 40, publishedPosition: 0 }], events: small });
    await again.close();
    const [page] = await store.readLogs([{ partition: 6, after: 40 }], 50);
    expect([page?.events.length, page?.position, page?.more]).toEqual([50, 90, undefined]);
    const [last] = await store.readLogs([{ partition: 6, after: 40 }], 200);
    expect([last?.events.length, last?.position, last?.more]).toEqual([60, 100, undefined]);
  });

  it('appends few events of one partition with the same result as many', async () => {
    const [claimed] = await store.claim('me', 'first', [{ partition: 7, epoch: 0 }]);
    if (claimed === undefined) throw new Error('the partition was not claimed');
    const partitions = () => [{ ...claimed, lastPosition: sent.length, publishedPosition: 0 }];
    const lane = store.openLane();
    const sent: NewEvent[] = [];
    for (const count of [0, 1, 2, 3, 4, 5, 6, 0, 1]) {
      const events = Array.from({ length: count }, (_, index): NewEvent => {
        const data = encodeJson({ count, text: 'a "quoted" \\ line\nand \u0000', list: [1, null] });
        const executionId = `00000000-0000-7000-8000-00000000200${index}`;
        const version = sent.filter((event) => event.executionId === executionId).length + 1;
        return {
          ...started(executionId, 7),
          version,
          commandId: `command\t${count}/${index}`,
          at: sent.length + index,
          data,
        };
      });
      const base = sent.length;
      expect(await lane.commit({ partitions: partitions(), events })).toEqual({
        kind: 'committed',
        held: new Map([[7, base]]),
      });
      sent.push(...events);
    }
    const { events } = await readLog(store, 7, 0, 100, []);
    expect(events).toEqual(
      sent.map(({ data, link: _link, ...event }, index) => ({
        ...event,
        position: index + 1,
        data: JSON.parse(data) as unknown,
      })),
    );
    const refused = { ...started('00000000-0000-7000-8000-000000002000', 7), version: 1 };
    expect(await lane.commit({ partitions: partitions(), events: [refused] })).toMatchObject({
      kind: 'rejected',
      code: '23505',
    });
    await lane.close();
  });

  it('shows a takeover everything that the commit before it has written', async () => {
    const [mine] = await store.claim('me', 'first', [{ partition: 1, epoch: 0 }]);
    const id = '00000000-0000-7000-8000-0000000000f2';
    await blocker.query('BEGIN');
    await blocker.query(
      `INSERT INTO execution.events (partition, position, execution_id, version, type, command_id, at, data)
       VALUES (1, 1, $1, 1, 'CounterCreated', 'c', 1, '{}')`,
      [id],
    );
    await blocker.query('UPDATE execution.partitions SET last_position = 1 WHERE id = 1');
    const claim = store.claim('me', 'first', [{ partition: 1, epoch: mine?.epoch ?? -1 }]);
    await eventually(async () => (await waitingStatements()) === 1);
    await blocker.query('COMMIT');
    expect(await claim).toMatchObject([{ partition: 1, epoch: 2, lastPosition: 1 }]);
    expect((await readLog(store, 1, 0, 10, [])).events.map((event) => event.executionId)).toEqual([id]);
  });

  it('reports an unknown outcome when the connection is cut, and works again afterwards', async () => {
    const [mine] = await store.claim('me', 'first', [{ partition: 2, epoch: 0 }]);
    const lane = store.openLane();
    const request = {
      partitions: [{ partition: 2, epoch: mine?.epoch ?? -1, lastPosition: 0, publishedPosition: 0 }],
      events: [started('00000000-0000-7000-8000-0000000000f3', 2)],
    };
    await blocker.query('BEGIN');
    await blocker.query('SELECT FROM execution.partitions WHERE id = 2 FOR UPDATE');
    const commit = lane.commit(request);
    // It would be accepted over another connection.
    const behind = lane.commit({ ...request, events: [started('00000000-0000-7000-8000-0000000000f4', 2)] });
    await eventually(async () => (await waitingStatements()) === 1);
    await observer.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    expect(await commit).toMatchObject({ kind: 'unknown' });
    expect(await behind).toMatchObject({ kind: 'unknown' });
    await blocker.query('ROLLBACK');
    expect((await readLog(store, 2, 0, 10, [])).events).toEqual([]);
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
    const folder = new URL('../src/postgres/migrations/', import.meta.url);
    const versions = readdirSync(folder).flatMap((name) => (/^\d{4}-/.test(name) ? [Number.parseInt(name, 10)] : []));
    expect(versions.length).toBeGreaterThan(4);
    expect(rows.map(({ version }: { version: number }) => version)).toEqual(versions.toSorted((a, b) => a - b));
    await empty.drop();
  });
});

import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, eventually, templateFor } from '@batuta/testing';
import type { TestDatabase } from '@batuta/testing';
import pg from 'pg';
import { PostgresEventStore, encodeJson, migrateEventStore } from '../src/index.js';
import type { ExecutionChange, ExecutionProgress, ExecutionRow, NewEvent } from '../src/index.js';
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
  /** Its own connection, because pg_stat_activity does not change within a transaction, and the blocker is in one. */
  let observer: pg.Client;

  beforeAll(async () => {
    database = await createTestDatabase({ template: await templateFor('execution', migrateEventStore) });
    store = new PostgresEventStore({ databaseUrl: database.url });
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
    type: 'ExecutionStarted',
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
      expect(await lane.commit({ partitions: partitions(), events, started: [], changed: [] })).toEqual({
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
    expect(await lane.commit({ partitions: partitions(), events: [refused], started: [], changed: [] })).toMatchObject({
      kind: 'rejected',
      code: '23505',
    });
    await lane.close();
  });

  describe('rows of a commit', () => {
    const id = (n: number): string => `00000000-0000-7000-8000-00000000100${n}`;
    const progress: ExecutionProgress = {
      status: 'running',
      version: 1,
      wakeAt: 1_700_000_000_123,
      output: undefined,
      startedAt: 1_700_000_000_001,
      pausedAt: null,
      completedAt: null,
      totalLatencyMs: null,
      estimatedCost: 0.25,
      tokenCount: 7,
    };
    const ended: ExecutionProgress = {
      ...progress,
      status: 'completed',
      version: 2,
      wakeAt: null,
      output: { text: 'a "quoted" \\ line\nand \u0000', list: [1, null] },
      pausedAt: 1_700_000_000_500,
      completedAt: 1_700_000_001_234,
      totalLatencyMs: 1.5,
      estimatedCost: 1e9,
      tokenCount: 2 ** 40,
    };
    const row = (n: number, partition: number): ExecutionRow => ({
      id: id(n),
      partition,
      traceId: `trace ${n}`,
      configId: 'config',
      configName: 'two\nlines, "quotes" and {braces}',
      configVersion: 3,
      tenantId: 'a\u0000b',
      userId: '',
      sessionId: null,
      createdBy: 'NULL',
      callbackUrl: 'http://localhost/?a=1',
      input: { text: 'x\u0000y', none: null },
      metadata: null,
      // Seconds as a double would lose the milliseconds of this time.
      createdAt: Date.UTC(9999, 11, 31, 23, 59, 59, 999),
      progress,
    });

    const stored = async (): Promise<Record<string, unknown>[]> => {
      const { rows } = await observer.query<Record<string, unknown>>(
        'SELECT * FROM execution.orchestration_executions WHERE id = ANY($1) ORDER BY id',
        [[id(0), id(1), id(2)]],
      );
      return rows.map(({ id: _id, trace_id: _trace, partition: _partition, ...rest }) => rest);
    };

    it('are the same in commits of one and of several rows', async () => {
      const claims = [4, 5].map((partition) => ({ partition, epoch: 0 }));
      const fences = (await store.claim('me', 'first', claims)).map((claimed) => ({
        ...claimed,
        publishedPosition: 0,
      }));
      const [alone, other] = fences;
      if (alone === undefined || other === undefined) throw new Error('the partitions were not claimed');
      const lane = store.openLane();
      const both = [row(1, 5), row(2, 5)];
      const none = { started: [], changed: [] };
      const held = { kind: 'committed' };
      const events = [started(id(0), 4)];
      expect(await lane.commit({ ...none, partitions: [alone], events, started: [row(0, 4)] })).toMatchObject(held);
      const more = both.map(({ id: executionId }) => started(executionId, 5));
      expect(await lane.commit({ ...none, partitions: [other], events: more, started: both })).toMatchObject(held);
      const [first, ...others] = await stored();
      expect(first).toMatchObject({
        config_name: row(0, 4).configName,
        session_id: null,
        user_id: '',
        created_by: 'NULL',
        tenant_id: 'a\ufffdb',
        input: { text: 'x\ufffdy' },
        created_at: new Date(row(0, 4).createdAt),
        started_at: new Date(progress.startedAt ?? 0),
        token_count: 7,
      });
      expect(others).toEqual([first, first]);

      const change = (n: number, partition: number): ExecutionChange => ({ id: id(n), partition, progress: ended });
      const second = (executionId: string, partition: number): NewEvent => ({
        ...started(executionId, partition),
        version: 2,
      });
      const changedAlone = {
        ...none,
        partitions: [{ ...alone, lastPosition: 1 }],
        events: [second(id(0), 4)],
        changed: [change(0, 4)],
      };
      expect(await lane.commit(changedAlone)).toMatchObject(held);
      const changed = [change(1, 5), change(2, 5)];
      const seconds = changed.map((one) => second(one.id, 5));
      expect(
        await lane.commit({ ...none, partitions: [{ ...other, lastPosition: 2 }], events: seconds, changed }),
      ).toMatchObject(held);
      const [firstEnded, ...othersEnded] = await stored();
      expect(firstEnded).toMatchObject({ status: 'completed', wake_at: null, token_count: 2_147_483_647 });
      expect(othersEnded).toEqual([firstEnded, firstEnded]);
      await lane.close();
    });

    it('are not written when the partition has another owner', async () => {
      const [mine] = await store.claim('me', 'first', [{ partition: 6, epoch: 0 }]);
      const partitions = [{ partition: 6, epoch: (mine?.epoch ?? 0) - 1, lastPosition: 0, publishedPosition: 0 }];
      const lane = store.openLane();
      const nothing = { kind: 'committed', held: new Map() };
      const begun = { partitions, events: [started(id(9), 6)], started: [row(9, 6)], changed: [] };
      expect(await lane.commit(begun)).toEqual(nothing);
      const change = { id: id(0), partition: 6, progress: { ...ended, status: 'failed' as const } };
      expect(await lane.commit({ ...begun, started: [], changed: [change] })).toEqual(nothing);
      const { rows } = await observer.query(
        `SELECT FROM execution.orchestration_executions WHERE id = $1 OR status = 'failed'`,
        [id(9)],
      );
      expect(rows).toEqual([]);
      await lane.close();
    });
  });

  it('shows a takeover everything that the commit before it has written', async () => {
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

  it('reports an unknown outcome when the connection is cut, and works again afterwards', async () => {
    const [mine] = await store.claim('me', 'first', [{ partition: 2, epoch: 0 }]);
    const lane = store.openLane();
    const request = {
      partitions: [{ partition: 2, epoch: mine?.epoch ?? -1, lastPosition: 0, publishedPosition: 0 }],
      events: [started('00000000-0000-7000-8000-0000000000f3', 2)],
      started: [],
      changed: [],
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

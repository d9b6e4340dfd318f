import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { encodeJson, migrateEventStore } from '@batuta/event-store';
import type { NewEvent } from '@batuta/event-store';
import { createTestDatabase, templateFor } from '@batuta/testing';
import type { TestDatabase } from '@batuta/testing';
import pg from 'pg';
import type { ExecutionChange, ExecutionProgress, ExecutionRow } from '../../src/store/port.js';
import { PostgresExecutionStore } from '../../src/store/postgres/postgres-execution-store.js';
import { executionStoreContract } from './contract.js';

executionStoreContract('in PostgreSQL', async () => {
  const template = await templateFor('execution', migrateEventStore);
  const database = await createTestDatabase({ template });
  return { store: new PostgresExecutionStore({ databaseUrl: database.url }), close: () => database.drop() };
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

describe('rows of executions in a commit', () => {
  let database: TestDatabase;
  let store: PostgresExecutionStore;
  let observer: pg.Client;

  beforeAll(async () => {
    database = await createTestDatabase({ template: await templateFor('execution', migrateEventStore) });
    store = new PostgresExecutionStore({ databaseUrl: database.url });
    observer = new pg.Client({ connectionString: database.url });
    await observer.connect();
    await store.fixPartitionCount(8);
    await store.register('me', 'first', 60_000);
  });

  afterAll(async () => {
    await observer.end();
    await store.close();
    await database.drop();
  });

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

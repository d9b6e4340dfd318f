import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { encodeJson } from '@batuta/event-store';
import { eventStoreContract } from '@batuta/event-store/contract';
import type { ContractKind } from '@batuta/event-store/contract';
import type { ChainedEvent, FencedPartition, NewEvent } from '@batuta/event-store';
import { OF_EXECUTIONS, ONLY_CALLED_BACK_STARTS } from '../../src/store/kinds.js';
import type {
  ExecutionCommit,
  ExecutionLane,
  ExecutionProgress,
  ExecutionRow,
  ExecutionRows,
  ExecutionStore,
} from '../../src/store/port.js';

export interface StoreSetup {
  readonly store: ExecutionStore;
  close(): Promise<void>;
}

const PARTITIONS = 8;
let counter = 0;

/** A new UUID at each call. */
function newId(): string {
  counter += 1;
  return `00000000-0000-7000-8000-${counter.toString(16).padStart(12, '0')}`;
}

/** The newest version of each execution; 0 for an unknown one. */
async function readVersions(store: ExecutionStore, ids: readonly string[]): Promise<number[]> {
  return (await store.readNewest(ids)).map((newest) => newest?.version ?? 0);
}

const progress = (changes: Partial<ExecutionProgress> = {}): ExecutionProgress => ({
  status: 'running',
  version: 1,
  wakeAt: 5_000,
  output: undefined,
  startedAt: 1_000,
  pausedAt: null,
  completedAt: null,
  totalLatencyMs: null,
  estimatedCost: 0,
  tokenCount: 0,
  ...changes,
});

const row = (id: string, partition: number, changes: Partial<ExecutionProgress> = {}): ExecutionRow => ({
  id,
  partition,
  traceId: `trace-${id}`,
  configId: 'config-1',
  configName: 'demo',
  configVersion: 1,
  tenantId: 'default',
  userId: 'user-1',
  sessionId: null,
  createdBy: 'user-1',
  callbackUrl: null,
  input: { a: 1 },
  metadata: null,
  createdAt: 1_000,
  progress: progress(changes),
});

const event = (executionId: string, partition: number, version: number, data: object = {}): NewEvent => ({
  executionId,
  partition,
  version,
  type: version === 1 ? 'ExecutionStarted' : 'StepScheduled',
  commandId: `c-${version}`,
  at: 1_000 + version,
  data: encodeJson(data),
  link: '',
});

/** Executions and schedules, for the contract of every event store. */
const EXECUTIONS: ContractKind<ExecutionRows> = {
  name: 'execution',
  first: 'ExecutionStarted',
  later: 'StepScheduled',
  light: { name: 'schedule', first: 'ScheduleCreated', later: 'ScheduleUpdated' },
  rows: (created, changed) => ({
    started: created.map(({ id, partition, wakeAt, text }) => ({
      ...row(id, partition, { wakeAt }),
      ...(text === undefined ? {} : { configName: text }),
    })),
    changed: changed.map(({ id, partition, wakeAt }) => ({
      id,
      partition,
      progress: progress({ version: 2, wakeAt, ...(wakeAt === null ? { status: 'completed' } : {}) }),
    })),
  }),
  filter: ONLY_CALLED_BACK_STARTS,
  kept: { callbackUrl: 'http://x' },
  leftOut: { callbackUrl: '' },
};

/**
 * The contract of every event store, and what the execution service adds to it. `setup` returns an empty store.
 */
export function executionStoreContract(name: string, setup: () => Promise<StoreSetup>): void {
  eventStoreContract(`of executions ${name}`, EXECUTIONS, setup);

  describe(`the store of executions ${name}`, () => {
    let store: ExecutionStore;
    let close: () => Promise<void>;
    let lane: ExecutionLane;

    beforeAll(async () => {
      ({ store, close } = await setup());
      expect(await store.fixPartitionCount(PARTITIONS)).toBe(PARTITIONS);
      await store.register('me', 'first', 60_000);
      lane = store.openLane();
    });

    afterAll(async () => {
      await lane.close();
      await store.close();
      await close();
    });

    async function take(partition: number): Promise<number> {
      const record = (await store.view()).partitions[partition];
      const [taken] = await store.claim('me', 'first', [{ partition, epoch: record?.epoch ?? -1 }]);
      expect(taken?.partition).toBe(partition);
      return taken?.epoch ?? -1;
    }

    /** A commit request with the logs' present last positions. */
    const request = async (
      partitions: readonly FencedPartition[],
      events: readonly NewEvent[],
      rest: Partial<ExecutionCommit> = {},
    ): Promise<ExecutionCommit> => {
      const view = await store.view();
      const ends = partitions.map((one) => ({
        ...one,
        lastPosition: view.partitions[one.partition]?.lastPosition ?? 0,
      }));
      return { partitions: ends, events, started: [], changed: [], ...rest };
    };

    it('reads starts without what may be large, and leaves out starts without a callback_url', async () => {
      const partition = 1;
      const fence = [{ partition, epoch: await take(partition), publishedPosition: 0 }];
      const [a, b, c] = [newId(), newId(), newId()];
      const events = [
        event(a, partition, 1, { n: 1, input: [1], metadata: {} }),
        event(b, partition, 1, { callbackUrl: 'http://x' }),
        event(c, partition, 1, { callbackUrl: '' }),
        event(a, partition, 2),
      ];
      await lane.commit(await request(fence, events, { started: [row(a, 1), row(b, 1), row(c, 1)] }));
      expect(await store.readStarts([a, newId(), b])).toEqual(
        new Map([
          [a, { n: 1 }],
          [b, { callbackUrl: 'http://x' }],
        ]),
      );
      const read = async (types: readonly string[]): Promise<unknown> => {
        const selection = { ...OF_EXECUTIONS, types, filter: ONLY_CALLED_BACK_STARTS };
        const [page] = await store.readLogs([{ partition, after: 0 }], 2, selection);
        return [page?.events.map(({ executionId, version }) => [executionId, version]), page?.position];
      };
      // Only one start names a callback_url, and the log is still read to its end.
      expect(await read(['ExecutionStarted'])).toEqual([[[b, 1]], 4]);
      expect(await read([])).toEqual([
        [
          [b, 1],
          [a, 2],
        ],
        4,
      ]);
    });

    it('refuses a second execution with a trace_id, and writes nothing of the commit', async () => {
      const fence = [{ partition: 6, epoch: await take(6), publishedPosition: 0 }];
      const [a, b] = [newId(), newId()];
      expect((await lane.commit(await request(fence, [event(a, 6, 1)], { started: [row(a, 6)] }))).kind).toBe(
        'committed',
      );
      const twice = { ...row(b, 6), traceId: row(a, 6).traceId };
      expect(await lane.commit(await request(fence, [event(b, 6, 1)], { started: [twice] }))).toMatchObject({
        kind: 'rejected',
        code: '23505',
        transient: false,
      });
      expect(await readVersions(store, [a, b])).toEqual([1, 0]);
    });

    it('reduces a deleted execution to its last event, keeps the link before it, and handles the gap', async () => {
      const partition = 7;
      const epoch = await take(partition);
      const [deleted, other, running] = [newId(), newId(), newId()];
      const fence = { partition, epoch, publishedPosition: 0 };
      const before = (await store.view()).partitions[partition]?.lastPosition ?? 0;
      const started = {
        ...event(deleted, partition, 1, { tenantId: 'default', input: 'a secret' }),
        link: 'aa'.repeat(32),
      };
      const tombstone: NewEvent = {
        ...event(deleted, partition, 3, { tenantId: 'default', traceId: 't', events: 2 }),
        type: 'ExecutionDeleted',
        link: 'cc'.repeat(32),
      };
      const commit = async (request: Partial<ExecutionCommit>): Promise<void> => {
        const { lastPosition = 0 } = (await store.view()).partitions[partition] ?? {};
        const partitions = [{ ...fence, lastPosition }];
        const outcome = await lane.commit({ partitions, events: [], started: [], changed: [], ...request });
        expect(outcome.kind).toBe('committed');
      };
      await commit({
        events: [started, event(other, partition, 1), event(running, partition, 1)],
        started: [deleted, other, running].map((id) => row(id, partition, { wakeAt: null })),
      });
      await commit({ events: [{ ...event(deleted, partition, 2), link: 'bb'.repeat(32) }] });
      const change = (status: string, version: number) => ({
        id: deleted,
        partition,
        progress: progress({ status, version, wakeAt: null }),
      });
      await commit({ changed: [change('completed', 2)] });
      expect(await store.readDeleted([partition], 10)).toEqual([]);
      expect(await store.removeHistory([deleted, other])).toEqual([]);
      await commit({ events: [tombstone], changed: [change('deleted', 3)] });
      expect(await store.readDeleted([partition - 1], 10)).toEqual([]);
      expect(await store.readDeleted([partition], 10)).toEqual([{ id: deleted, partition, position: before + 5 }]);

      expect(await store.removeHistory([deleted, other, newId()])).toEqual([deleted]);
      expect(await store.removeHistory([deleted])).toEqual([]);
      expect(await store.readDeleted([partition], 10)).toEqual([]);
      expect((await store.readStreams([deleted])).get(deleted)).toMatchObject([
        { version: 3, type: 'ExecutionDeleted' },
      ]);
      expect(await store.readEvents(deleted, 1, 10)).toHaveLength(1);
      expect(await store.readNewest([deleted])).toEqual([{ version: 3, type: 'ExecutionDeleted' }]);
      expect(await store.readStarts([deleted])).toEqual(new Map());
      expect(await store.readLastRemoved(deleted)).toEqual({ partition, position: before + 4, link: 'bb'.repeat(32) });
      expect(await store.readLastRemoved(other)).toBeUndefined();
      expect(await store.readChain(deleted, 1, 10)).toMatchObject([{ version: 3, link: 'cc'.repeat(32) }]);
      const [page] = await store.readLogs([{ partition, after: before }], 10);
      expect(page?.events.map(({ position }) => position - before)).toEqual([2, 3, 5]);
      expect(page?.position).toBe(before + 5);
      expect(await store.streamsAfter(partition, before, 10)).toEqual([
        { id: other, position: before + 2 },
        { id: running, position: before + 3 },
        { id: deleted, position: before + 5 },
      ]);
      // Later events have the usual positions and versions.
      await commit({ events: [event(other, partition, 2)] });
      const [rest] = await store.readLogs([{ partition, after: before + 4 }], 10);
      expect(rest?.events.map(({ position }) => position - before)).toEqual([5, 6]);
      const again = await lane.commit(await request([fence], [event(deleted, partition, 3)]));
      expect(again.kind).toBe('rejected');

      // Back from the archive.
      const events: ChainedEvent[] = [
        { ...started, position: before + 1, data: JSON.parse(started.data), link: started.link },
        { ...event(deleted, partition, 2), position: before + 4, data: {}, link: 'bb'.repeat(32) },
      ];
      const gone = row(deleted, partition, progress({ status: 'deleted', version: 3, wakeAt: null }));
      const other_ = { executionId: deleted, row: gone };
      const forged = events.map((each) => ({ ...each, link: 'dd'.repeat(32) }));
      expect(await store.restoreHistory({ ...other_, events: forged })).toBe('different');
      expect(await store.restoreHistory({ ...other_, events: events.slice(0, 1) })).toBe('different');
      expect(await store.readLastRemoved(deleted)).toBeDefined();
      expect(await store.restoreHistory({ ...other_, events })).toBe('restored');
      expect(await store.restoreHistory({ ...other_, events })).toBe('present');
      expect(await store.readLastRemoved(deleted)).toBeUndefined();
      expect(await store.readChain(deleted, 1, 10)).toMatchObject([
        { version: 1, position: before + 1, link: 'aa'.repeat(32) },
        { version: 2, position: before + 4, link: 'bb'.repeat(32) },
        { version: 3, position: before + 5 },
      ]);
      // Nothing followed, so it is still a deleted one that has to be removed.
      expect(await store.readDeleted([partition], 10)).toEqual([{ id: deleted, partition, position: before + 5 }]);
      expect(await store.removeHistory([deleted])).toEqual([deleted]);
      expect(await store.readLastRemoved(deleted)).toEqual({ partition, position: before + 4, link: 'bb'.repeat(32) });
    });

    it('finds unfinished executions, page by page', async () => {
      const fence = [{ partition: 5, epoch: await take(5), publishedPosition: 0 }];
      const [one, another, done] = [newId(), newId(), newId()];
      const ids = [one, another, done];
      await lane.commit(
        await request(
          fence,
          ids.map((id) => event(id, 5, 1)),
          { started: ids.map((id) => row(id, 5)) },
        ),
      );
      await lane.commit(
        await request(fence, [event(done, 5, 2)], {
          changed: [{ id: done, partition: 5, progress: progress({ status: 'completed', wakeAt: null, output: 1 }) }],
        }),
      );
      const schedule = newId();
      const created: NewEvent = { ...event(schedule, 5, 1), type: 'ScheduleCreated' };
      await lane.commit(await request(fence, [created]));
      expect(await store.readUnfinished(5, undefined, 10)).toEqual([one, another]);
      expect(await store.readUnfinished(5, one, 10)).toEqual([another]);
      expect(await store.readUnfinished(5, undefined, 1)).toEqual([one]);
    });

    it('keeps the first copy of a config version and the last copy of an agent', async () => {
      expect(await store.readConfig('c', 1)).toBeUndefined();
      await store.writeConfig('c', 1, 'default', { name: 'first' });
      await store.writeConfig('c', 1, 'default', { name: 'second' });
      expect(await store.readConfig('c', 1)).toEqual({ name: 'first' });
      await store.writeAgent('default', 'a', { pool: 'p1', inputSchema: { const: 'a\u0000b' }, outputSchema: false });
      expect(await store.readAgent('default', 'a')).toEqual({
        pool: 'p1',
        inputSchema: { const: 'a\ufffdb' },
        outputSchema: false,
      });
      await store.writeAgent('default', 'a', { pool: 'p2', inputSchema: true });
      expect(await store.readAgent('default', 'a')).toEqual({ pool: 'p2', inputSchema: true });
      const model = { configId: '0190a5b4-0000-7000-8000-000000000001', revision: 3, definition: { name: 'agent/a' } };
      await store.writeAgent('default', 'a', { pool: '', model });
      expect(await store.readAgent('default', 'a')).toEqual({ pool: '', model });
      await store.writeAgent('default', 'a', { pool: 'p2' });
      expect(await store.readAgent('default', 'a')).toEqual({ pool: 'p2' });
      expect(await store.readAgent('elsewhere', 'a')).toBeUndefined();
    });
  });
}

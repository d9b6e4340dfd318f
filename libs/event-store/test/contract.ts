import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EventType } from '@batuta/contracts';
import type {
  ChainedEvent,
  FencedPartition,
  CommitLane,
  CommitRequest,
  EventStore,
  ExecutionProgress,
  ExecutionRow,
  LogPage,
  LogReader,
  NewEvent,
  StreamRow,
} from '../src/index.js';
import { ChainWalk, canonicalJson, encodeJson, linkOf } from '../src/index.js';

export interface ContractSetup {
  readonly store: EventStore;
  close(): Promise<void>;
}

const PARTITIONS = 8;
let counter = 0;

/** A new UUID at each call. */
function newId(): string {
  counter += 1;
  return `00000000-0000-7000-8000-${counter.toString(16).padStart(12, '0')}`;
}

/** The log of one partition after a position. */
export async function readLog(
  store: LogReader,
  partition: number,
  after: number,
  limit: number,
  types: readonly EventType[],
): Promise<LogPage> {
  const [page] = await store.readLogs([{ partition, after }], limit, types);
  if (page === undefined) throw new Error('a cursor has no page');
  return page;
}

/** The newest version of each execution; 0 for an unknown one. */
async function readVersions(store: LogReader, ids: readonly string[]): Promise<number[]> {
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

/** The contract that every event store must fulfil. `setup` returns an empty store. */
export function eventStoreContract(name: string, setup: () => Promise<ContractSetup>): void {
  describe(`the event store ${name}`, () => {
    let store: EventStore;
    let close: () => Promise<void>;
    let lane: CommitLane;

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
      rest: Partial<CommitRequest> = {},
    ): Promise<CommitRequest> => {
      const view = await store.view();
      const ends = partitions.map((one) => ({
        ...one,
        lastPosition: view.partitions[one.partition]?.lastPosition ?? 0,
      }));
      return { partitions: ends, events, started: [], changed: [], ...rest };
    };

    it('keeps the number of partitions that the first start chose', async () => {
      expect(await store.fixPartitionCount(3)).toBe(PARTITIONS);
      expect((await store.view()).partitions.map((record) => record.partition)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    });

    it('appends to several partitions at once, with positions without gaps', async () => {
      const [zero, one] = [await take(0), await take(1)];
      const [a, b, c] = [newId(), newId(), newId()];
      const fences = [
        { partition: 0, epoch: zero, publishedPosition: 0 },
        { partition: 1, epoch: one, publishedPosition: 0 },
      ];
      const outcome = await lane.commit(
        await request(
          fences,
          [
            event(a, 0, 1, { n: 1, input: [1], metadata: {} }),
            event(b, 1, 1, { callbackUrl: 'http://x' }),
            event(c, 0, 1, { callbackUrl: '' }),
            event(a, 0, 2),
          ],
          {
            started: [row(a, 0), row(b, 1), row(c, 0)],
          },
        ),
      );
      expect(outcome).toEqual({
        kind: 'committed',
        held: new Map([
          [0, 0],
          [1, 0],
        ]),
      });
      const page = await readLog(store, 0, 0, 10, []);
      expect(page.position).toBe(3);
      expect(page.events.map((item) => [item.position, item.executionId, item.version])).toEqual([
        [1, a, 1],
        [2, c, 1],
        [3, a, 2],
      ]);
      expect(page.events[0]).toEqual({
        executionId: a,
        version: 1,
        type: 'ExecutionStarted',
        at: 1_001,
        commandId: 'c-1',
        position: 1,
        partition: 0,
        data: { n: 1, input: [1], metadata: {} },
      });
      expect((await readLog(store, 0, 1, 1, [])).events.map((item) => item.position)).toEqual([2]);
      expect(await readLog(store, 0, 0, 10, ['StepScheduled'])).toMatchObject({
        position: 3,
        events: [{ position: 3 }],
      });
      const cursors = [
        { partition: 1, after: 0 },
        { partition: 0, after: 3 },
        { partition: 0, after: 0 },
      ];
      const pages = await store.readLogs(cursors, 2, []);
      expect(pages.map(({ events, position }) => [events.map((item) => item.executionId), position])).toEqual([
        [[b], 1],
        [[], 3],
        [[a, c], 2],
      ]);
      const calledBack = await store.readLogs(cursors, 2, ['ExecutionStarted'], true);
      // Only one start names a callback_url, and the log is still read to its end.
      expect(calledBack.map(({ events, position }) => [events.map((item) => item.executionId), position])).toEqual([
        [[b], 1],
        [[], 3],
        [[], 3],
      ]);
      const rest = await store.readLogs(cursors, 10, [], true);
      expect(rest.map(({ events }) => events.map((item) => item.type))).toEqual([
        ['ExecutionStarted'],
        [],
        ['StepScheduled'],
      ]);
      expect(await readVersions(store, [c, a, newId()])).toEqual([1, 2, 0]);
      expect(await store.readNewest([a, newId(), b])).toEqual([
        { version: 2, type: 'StepScheduled' },
        undefined,
        { version: 1, type: 'ExecutionStarted' },
      ]);
      expect(await store.readStarts([a, newId(), b])).toEqual(
        new Map([
          [a, { n: 1 }],
          [b, { callbackUrl: 'http://x' }],
        ]),
      );
      expect((await store.readEvents(a, 2, 10)).map((item) => item.version)).toEqual([2]);
      expect(
        [...(await store.readExecutions([a, b, newId()])).entries()].map(([id, items]) => [id, items.length]),
      ).toEqual(
        expect.arrayContaining([
          [a, 2],
          [b, 1],
        ]),
      );
      expect(await store.executionsAfter(0, 1, 10)).toEqual([
        { id: c, position: 2 },
        { id: a, position: 3 },
      ]);
    });

    it('skips the part of a fenced partition and writes the rest', async () => {
      const [two, three] = [await take(2), await take(3)];
      const current = await take(3);
      expect(current).toBe(three + 1);
      const [a, b] = [newId(), newId()];
      const outcome = await lane.commit(
        await request(
          [
            { partition: 2, epoch: two, publishedPosition: 0 },
            { partition: 3, epoch: three, publishedPosition: 0 },
          ],
          [event(a, 2, 1), event(b, 3, 1)],
          { started: [row(a, 2), row(b, 3)] },
        ),
      );
      expect(outcome).toEqual({ kind: 'committed', held: new Map([[2, 0]]) });
      expect(await readVersions(store, [a, b])).toEqual([1, 0]);
      expect(await store.readUnfinished(3, undefined, 10)).toEqual([]);
      expect((await store.view()).partitions[3]?.lastPosition).toBe(0);
    });

    describe('with a second commit while one is in flight', () => {
      const begin = async (partition: number) => {
        const fence = { partition, epoch: await take(partition), publishedPosition: 0 };
        const first = await request([fence], [event(newId(), partition, 1)]);
        const [end] = first.partitions;
        if (end === undefined) throw new Error('no partition');
        const next = (events: readonly NewEvent[]): CommitRequest => ({
          ...first,
          partitions: [{ ...end, lastPosition: end.lastPosition + 1 }],
          events,
        });
        return { first, next, end };
      };

      it('applies them and ends them in their order', async () => {
        const { first, next, end } = await begin(2);
        const [begun] = first.events;
        if (begun === undefined) throw new Error('no event');
        const started = [row(begun.executionId, 2)];
        const changed = [
          { id: begun.executionId, partition: 2, progress: progress({ version: 2, wakeAt: 4_000_000 }) },
        ];
        const ended: string[] = [];
        const outcomes = await Promise.all([
          lane.commit({ ...first, started }).finally(() => ended.push('first')),
          lane.commit({ ...next([event(begun.executionId, 2, 2)]), changed }).finally(() => ended.push('second')),
        ]);
        expect(outcomes).toEqual([
          { kind: 'committed', held: new Map([[2, end.lastPosition]]) },
          { kind: 'committed', held: new Map([[2, end.lastPosition + 1]]) },
        ]);
        expect(ended).toEqual(['first', 'second']);
        expect(await readVersions(store, [begun.executionId])).toEqual([2]);
        // The second commit changes a row that the first one created.
        expect(await store.readDue([2], 4_000_000, 1_000)).toContainEqual({
          id: begun.executionId,
          partition: 2,
          wakeAt: 4_000_000,
        });
      });

      it('skips the part of the second commit whose predecessor was not written', async () => {
        const { first, next, end } = await begin(2);
        const [begun] = first.events;
        if (begun === undefined) throw new Error('no event');
        await lane.commit(first);
        const again = newId();
        const outcomes = await Promise.all([
          lane.commit({ ...first, partitions: [{ ...end, lastPosition: end.lastPosition + 1 }] }),
          lane.commit({ ...next([event(again, 2, 1)]), partitions: [{ ...end, lastPosition: end.lastPosition + 2 }] }),
        ]);
        expect(outcomes).toEqual([
          expect.objectContaining({ kind: 'rejected', code: '23505' }),
          { kind: 'committed', held: new Map() },
        ]);
        expect(await readVersions(store, [again])).toEqual([0]);
        expect((await store.view()).partitions[2]?.lastPosition).toBe(end.lastPosition + 1);
      });

      it('refuses a third commit', async () => {
        const { first } = await begin(2);
        const none = { ...first, events: [] };
        const ended = Promise.all([lane.commit(none), lane.heldEpochs(first.partitions)]);
        await expect(lane.commit(none)).rejects.toThrow(/2 statements in flight/);
        await ended;
      });
    });

    it('returns links as they were committed, and data that still match them', async () => {
      const epoch = await take(7);
      const fence = [{ partition: 7, epoch, publishedPosition: 0 }];
      const [a, b] = [newId(), newId()];
      const nasty = JSON.parse(
        String.raw`{"z":1e21,"a":-0.0,"10":5e-324,"9":0.1,"é":"\u2028 \" \\ \t","__proto__":{"y":[],"x":{}},"":null,"big":12345678901234567890}`,
      ) as object;
      const ends = new Map<string, string>();
      // Few events of one partition are sent in another way than many.
      for (const versions of [[1], [2, 3], [4, 5, 6, 7, 8, 9]]) {
        const last = (await store.view()).partitions[7]?.lastPosition ?? 0;
        const events = versions.flatMap((version) =>
          [a, b].map((id) => ({ ...event(id, 7, version), data: canonicalJson({ ...nasty, version, id }) })),
        );
        const placed = events.map((stored, index) => ({ stored, position: last + index + 1 }));
        for (const id of [a, b]) {
          const own = placed.filter(({ stored }) => stored.executionId === id);
          ends.set(id, linkOf(ends.get(id) ?? '', id, 7, own));
        }
        const linked = events.map((one) =>
          one.version === versions.at(-1) ? { ...one, link: ends.get(one.executionId) ?? '' } : one,
        );
        expect(await lane.commit(await request(fence, linked))).toMatchObject({ kind: 'committed' });
      }
      for (const id of [a, b]) {
        const chain = await store.readChain(id, 1, 100);
        expect(chain.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
        const walk = new ChainWalk(id);
        for (const one of chain) walk.add(one);
        walk.end();
        expect(walk.problems).toEqual([]);
        expect(walk).toMatchObject({ linked: 9, unlinked: 0, newest: { version: 9, link: ends.get(id) } });
        expect((await store.readChain(id, 3, 2)).map(({ version }) => version)).toEqual([3, 4]);
      }
      expect(await store.readChainEnds([b, newId(), a])).toEqual(
        new Map([b, a].map((id) => [id, { version: 9, link: ends.get(id) }])),
      );
    });

    it('refuses a version that exists, reports it, and writes nothing of the commit', async () => {
      const epoch = await take(4);
      const fence = [{ partition: 4, epoch, publishedPosition: 0 }];
      const [a, b] = [newId(), newId()];
      expect((await lane.commit(await request(fence, [event(a, 4, 1)], { started: [row(a, 4)] }))).kind).toBe(
        'committed',
      );
      const outcome = await lane.commit(
        await request(fence, [event(b, 4, 1), event(a, 4, 1)], { started: [row(b, 4)] }),
      );
      expect(outcome).toMatchObject({ kind: 'rejected', code: '23505', transient: false });
      expect(await readVersions(store, [a, b])).toEqual([1, 0]);
      expect((await store.view()).partitions[4]?.lastPosition).toBe(1);
    });

    it('tells which epochs are unchanged, without writing', async () => {
      const held = await take(5);
      const items = [
        { partition: 5, epoch: held, publishedPosition: 0 },
        { partition: 6, epoch: 999, publishedPosition: 0 },
      ];
      expect([...(await lane.heldEpochs(items))]).toEqual([5]);
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
      const commit = async (request: Partial<CommitRequest>): Promise<void> => {
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
      expect((await store.readExecutions([deleted])).get(deleted)).toMatchObject([
        { version: 3, type: 'ExecutionDeleted' },
      ]);
      expect(await store.readEvents(deleted, 1, 10)).toHaveLength(1);
      expect(await store.readNewest([deleted])).toEqual([{ version: 3, type: 'ExecutionDeleted' }]);
      expect(await store.readStarts([deleted])).toEqual(new Map());
      expect(await store.readLastRemoved(deleted)).toEqual({ partition, position: before + 4, link: 'bb'.repeat(32) });
      expect(await store.readLastRemoved(other)).toBeUndefined();
      expect(await store.readChain(deleted, 1, 10)).toMatchObject([{ version: 3, link: 'cc'.repeat(32) }]);
      const page = await readLog(store, partition, before, 10, []);
      expect(page.events.map(({ position }) => position - before)).toEqual([2, 3, 5]);
      expect(page.position).toBe(before + 5);
      expect(await store.executionsAfter(partition, before, 10)).toEqual([
        { id: other, position: before + 2 },
        { id: running, position: before + 3 },
        { id: deleted, position: before + 5 },
      ]);
      // Later events have the usual positions and versions.
      await commit({ events: [event(other, partition, 2)] });
      expect(
        (await readLog(store, partition, before + 4, 10, [])).events.map(({ position }) => position - before),
      ).toEqual([5, 6]);
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

    it('moves published positions only forward: with a commit, alone and on release', async () => {
      const epoch = await take(6);
      const at = (publishedPosition: number) => [{ partition: 6, epoch, publishedPosition }];
      const published = async () => (await store.view()).partitions[6]?.publishedPosition;
      const [a, b] = [newId(), newId()];
      await lane.commit(await request(at(0), [event(a, 6, 1), event(b, 6, 1)], { started: [row(a, 6), row(b, 6)] }));
      await lane.commit(await request(at(1), [event(a, 6, 2)]));
      expect(await published()).toBe(1);
      await store.publish(at(2));
      await store.publish(at(1));
      expect(await published()).toBe(2);
      await store.release('me', at(3));
      expect((await store.view()).partitions[6]).toMatchObject({ owner: null, publishedPosition: 3, lastPosition: 3 });
    });

    it('finds due executions, earliest first, and no finished ones', async () => {
      const epoch = await take(7);
      const fence = [{ partition: 7, epoch, publishedPosition: 0 }];
      const [late, soon, done] = [newId(), newId(), newId()];
      await lane.commit(
        await request(fence, [event(late, 7, 1), event(soon, 7, 1), event(done, 7, 1)], {
          started: [row(late, 7, { wakeAt: 900 }), row(soon, 7, { wakeAt: 300 }), row(done, 7, { wakeAt: 100 })],
        }),
      );
      await lane.commit(
        await request(fence, [event(done, 7, 2)], {
          changed: [{ id: done, partition: 7, progress: progress({ status: 'completed', wakeAt: null, output: 1 }) }],
        }),
      );
      expect(await store.readDue([7], 1_000, 10)).toEqual([
        { id: soon, partition: 7, wakeAt: 300 },
        { id: late, partition: 7, wakeAt: 900 },
      ]);
      expect(await store.readDue([7], 500, 10)).toHaveLength(1);
      expect(await store.nextDue([7])).toBe(300);
      expect(await store.readUnfinished(7, undefined, 10)).toEqual([late, soon].sort());
      expect(await store.readUnfinished(7, [late, soon].sort()[0], 10)).toHaveLength(1);
      expect(await store.nextDue([])).toBeUndefined();
    });

    it('replaces NUL characters and lone surrogates everywhere', async () => {
      const epoch = await take(0);
      const id = newId();
      const hostile = { 'k\u0000': ['a\u0000b', '\ud800', 'ok \u{1f600}'], nested: { x: '\udc00tail' } };
      const outcome = await lane.commit(
        await request([{ partition: 0, epoch, publishedPosition: 0 }], [event(id, 0, 1, hostile)], {
          started: [{ ...row(id, 0), input: 'x\u0000y' }],
        }),
      );
      expect(outcome.kind).toBe('committed');
      const [stored] = await store.readEvents(id, 1, 1);
      expect(stored?.data).toEqual({
        'k\ufffd': ['a\ufffdb', '\ufffd', 'ok \u{1f600}'],
        nested: { x: '\ufffdtail' },
      });
    });

    it('lets only the newest incarnation of a name renew and claim', async () => {
      await store.register('other', 'old', 60_000);
      await store.register('other', 'new', 60_000);
      expect(await store.renew('other', 'old', 60_000)).toBe(false);
      expect(await store.renew('other', 'new', 60_000)).toBe(true);
      const epoch = (await store.view()).partitions[1]?.epoch ?? -1;
      expect(await store.claim('other', 'old', [{ partition: 1, epoch }])).toEqual([]);
      expect(await store.claim('other', 'new', [{ partition: 1, epoch: epoch - 1 }])).toEqual([]);
      const [taken] = await store.claim('other', 'new', [{ partition: 1, epoch }]);
      expect(taken).toMatchObject({ owner: 'other', epoch: epoch + 1, ownerAlive: true, lastPosition: 1 });
      expect((await store.view()).liveOwners).toEqual(['me', 'other']);
      await store.resign('other', 'old');
      expect((await store.view()).liveOwners).toContain('other');
      await store.resign('other', 'new');
      const view = await store.view();
      expect(view.liveOwners).toEqual(['me']);
      expect(view.partitions[1]).toMatchObject({ owner: null, ownerAlive: false });
    });

    it('treats partitions of an expired lease as free', async () => {
      await store.register('brief', 'only', -1);
      expect((await store.view()).liveOwners).not.toContain('brief');
      const epoch = (await store.view()).partitions[2]?.epoch ?? -1;
      expect(await store.claim('brief', 'only', [{ partition: 2, epoch }])).toEqual([]);
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

    it.each([
      { partitions: [4], starts: false, changes: false },
      { partitions: [4], starts: false, changes: true },
      { partitions: [4], starts: true, changes: false },
      { partitions: [4], starts: true, changes: true },
      { partitions: [4, 5], starts: false, changes: false },
      { partitions: [4, 5], starts: false, changes: true },
      { partitions: [4, 5], starts: true, changes: false },
      { partitions: [4, 5], starts: true, changes: true },
    ])('writes every part of a commit, and nothing of a fenced one: %o', async ({ partitions, starts, changes }) => {
      const fences: FencedPartition[] = [];
      for (const partition of partitions) {
        fences.push({ partition, epoch: await take(partition), publishedPosition: 0 });
      }
      const known = partitions.map((partition) => ({ partition, id: newId() }));
      const fresh = partitions.map((partition) => ({ partition, id: newId() }));
      const before = await lane.commit(
        await request(
          fences,
          known.map(({ partition, id }) => event(id, partition, 1)),
          { started: known.map(({ partition, id }) => row(id, partition, { wakeAt: 9_000_000 })) },
        ),
      );
      if (before.kind !== 'committed') throw new Error(before.kind);
      const events = known.map(({ partition, id }) => event(id, partition, 2, { n: 2 }));
      const news = await request(
        fences,
        starts ? [...events, ...fresh.map((one) => event(one.id, one.partition, 1))] : events,
        {
          started: starts ? fresh.map(({ partition, id }) => row(id, partition, { wakeAt: 8_000_000 })) : [],
          changed: changes
            ? known.map(({ partition, id }) => ({
                id,
                partition,
                progress: progress({ version: 2, wakeAt: 7_000_000 }),
              }))
            : [],
        },
      );
      const fenced = await lane.commit({
        ...news,
        partitions: news.partitions.map((fence) => ({ ...fence, epoch: fence.epoch + 1 })),
      });
      expect(fenced).toEqual({ kind: 'committed', held: new Map() });
      expect(
        await readVersions(
          store,
          known.map(({ id }) => id),
        ),
      ).toEqual(known.map(() => 1));
      const outcome = await lane.commit(news);
      expect(outcome).toEqual({
        kind: 'committed',
        held: new Map([...before.held].map(([partition, base]) => [partition, base + 1])),
      });
      const ids = [...known, ...fresh].map(({ id }) => id);
      expect(await readVersions(store, ids)).toEqual([...known.map(() => 2), ...fresh.map(() => (starts ? 1 : 0))]);
      const due = await store.readDue(partitions, 9_000_000, 1_000);
      const wakes = new Map(due.map(({ id, wakeAt }) => [id, wakeAt]));
      expect(known.map(({ id }) => wakes.get(id))).toEqual(known.map(() => (changes ? 7_000_000 : 9_000_000)));
      expect(fresh.map(({ id }) => wakes.get(id))).toEqual(fresh.map(() => (starts ? 8_000_000 : undefined)));
    });

    it('stores rows of streams that are not executions, and finds them when they are due', async () => {
      const partition = 7;
      const fence = { partition, epoch: await take(partition), publishedPosition: 0 };
      const [schedule, execution] = [newId(), newId()];
      const stream = (version: number, wakeAt: number | null): StreamRow => ({
        id: schedule,
        partition,
        kind: 'schedule',
        tenantId: 'default',
        name: `version ${version}`,
        configId: 'config-1',
        status: 'active',
        version,
        wakeAt,
        createdAt: 1_000,
        view: { version },
      });
      const created: NewEvent = { ...event(schedule, partition, 1), type: 'ScheduleCreated' };
      await lane.commit({
        ...(await request([fence], [created, event(execution, partition, 1)], {
          started: [row(execution, partition, { wakeAt: 150 })],
        })),
        streams: [stream(1, 100.5)],
      });
      expect(await store.readDue([partition], 200, 10)).toEqual([
        { id: schedule, partition, wakeAt: 100 },
        { id: execution, partition, wakeAt: 150 },
      ]);
      expect(await store.nextDue([partition])).toBe(100);
      // Readers of executions get events and ids of executions only.
      const [page] = await store.readLogs([{ partition, after: 0 }], 100, []);
      expect(page?.events.map(({ executionId }) => executionId)).not.toContain(schedule);
      expect(page?.events.map(({ executionId }) => executionId)).toContain(execution);
      expect(await store.readUnfinished(partition, undefined, 100)).not.toContain(schedule);
      expect((await store.executionsAfter(partition, 0, 100)).map(({ id }) => id)).toContain(schedule);
      expect((await store.readExecutions([schedule])).get(schedule)).toMatchObject([{ type: 'ScheduleCreated' }]);
      const updated: NewEvent = { ...event(schedule, partition, 2), type: 'ScheduleUpdated' };
      const fenced = await lane.commit({
        ...(await request([{ ...fence, epoch: fence.epoch + 1 }], [updated])),
        streams: [stream(2, null)],
      });
      expect(fenced).toEqual({ kind: 'committed', held: new Map() });
      expect(await store.nextDue([partition])).toBe(100);
      await lane.commit({ ...(await request([fence], [updated])), streams: [stream(2, null)] });
      expect(await store.nextDue([partition])).toBe(150);
    });
  });
}

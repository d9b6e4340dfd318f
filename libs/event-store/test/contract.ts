import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type {
  Column,
  CommitLane,
  CommitRequest,
  DueStream,
  EventStore,
  FencedPartition,
  LogEvent,
  LogFilter,
  LogPage,
  MemoryRows,
  NewEvent,
  RowsBeside,
  StreamKind,
  StreamReader,
  StreamRow,
} from '../src/index.js';
import {
  ChainWalk,
  UNIQUE_VIOLATION,
  canonicalJson,
  encodeJson,
  insertedRows,
  linkOf,
  updatedRows,
} from '../src/index.js';

/** The kinds of streams that these tests store: one with a table of its own, and one without. */
export const TOY_KINDS: readonly StreamKind[] = [
  { name: 'counter', types: ['CounterCreated', 'Counted'] },
  { name: 'switch', types: ['SwitchedOn', 'SwitchedOff'] },
];

/** The row of a counter. */
interface Counter {
  readonly id: string;
  readonly partition: number;
  readonly total: number;
  readonly note: string | { readonly a: number };
  readonly wakeAt: number | null;
}

/** The rows that counters have beside their events. */
export interface CounterRows {
  readonly created: readonly Counter[];
  readonly counted: readonly Counter[];
}

export const CREATE_COUNTERS = `CREATE TABLE execution.counters (
  id uuid PRIMARY KEY, partition int NOT NULL, total int NOT NULL, note jsonb NOT NULL, wake_at bigint)`;

const COLUMNS: readonly Column<Counter>[] = [
  { name: 'id', type: 'uuid', of: (row) => row.id },
  { name: 'partition', type: 'int', of: (row) => row.partition },
  { name: 'total', type: 'int', of: (row) => row.total },
  { name: 'note', type: 'jsonb', of: (row) => row.note },
  { name: 'wake_at', type: 'bigint', of: (row) => row.wakeAt },
];
const table = 'execution.counters';

/** The rows of counters in PostgreSQL. */
export const COUNTER_TABLE: RowsBeside<CounterRows> = {
  parts: [
    insertedRows({ name: 'created', as: 'created', table, columns: COLUMNS, of: (rows: CounterRows) => rows.created }),
    updatedRows({ name: 'counted', as: 'counted', table, columns: COLUMNS, of: (rows: CounterRows) => rows.counted }),
  ],
  wakeTables: [table],
};

/** The rows of counters in memory. */
export class CounterMemory implements MemoryRows<CounterRows> {
  readonly #rows = new Map<string, Counter>();

  violation({ created }: CounterRows, held: ReadonlySet<number>): { code: string; message: string } | undefined {
    const taken = created.find(({ id, partition }) => held.has(partition) && this.#rows.has(id));
    return taken === undefined ? undefined : { code: UNIQUE_VIOLATION, message: `counter ${taken.id} exists` };
  }

  write({ created, counted }: CounterRows, held: ReadonlySet<number>): void {
    for (const row of created) if (held.has(row.partition)) this.#rows.set(row.id, row);
    for (const row of counted) if (held.has(row.partition) && this.#rows.has(row.id)) this.#rows.set(row.id, row);
  }

  due(partitions: readonly number[]): DueStream[] {
    return [...this.#rows.values()].flatMap(({ id, partition, wakeAt }) =>
      wakeAt !== null && partitions.includes(partition) ? [{ id, partition, wakeAt }] : [],
    );
  }
}

/** Of the creations only those that name a reason. */
const WITH_REASON: LogFilter = {
  name: 'with-reason',
  sql: `type <> 'CounterCreated' OR data->>'reason' <> ''`,
  keeps: ({ type, data }) => type !== 'CounterCreated' || Boolean((data as { reason?: string }).reason),
};

/** The row of a stream, as far as the contract knows it. */
export interface ContractRow {
  readonly id: string;
  readonly partition: number;
  readonly wakeAt: number | null;
  /** A text for any of its columns. */
  readonly text?: string;
}

/** A kind of streams that the contract stores, with rows beside its events. */
export interface ContractKind<Rows> {
  readonly name: string;
  /** The types of a stream's first event and of a later one. */
  readonly first: string;
  readonly later: string;
  /** A kind without a table of its own. */
  readonly light: { readonly name: string; readonly first: string; readonly later: string };
  /** What a commit writes to create and to change rows. */
  readonly rows: (created: readonly ContractRow[], changed: readonly ContractRow[]) => Rows;
  /** Leaves out first events by their data. */
  readonly filter: LogFilter;
  /** Data of a first event that the filter keeps, and of one that it leaves out. */
  readonly kept: object;
  readonly leftOut: object;
}

const counterOf = ({ id, partition, wakeAt, text }: ContractRow, total: number): Counter => ({
  id,
  partition,
  total,
  note: text ?? { a: 1 },
  wakeAt,
});

/** The kind of counters. */
export const COUNTERS: ContractKind<CounterRows> = {
  name: 'counter',
  first: 'CounterCreated',
  later: 'Counted',
  light: { name: 'switch', first: 'SwitchedOn', later: 'SwitchedOff' },
  rows: (created, changed) => ({
    created: created.map((row) => counterOf(row, 0)),
    counted: changed.map((row) => counterOf(row, 1)),
  }),
  filter: WITH_REASON,
  kept: { reason: 'a test' },
  leftOut: { reason: '' },
};

export interface ContractSetup<Rows> {
  readonly store: EventStore<LogEvent, Rows>;
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
  store: StreamReader,
  partition: number,
  after: number,
  limit: number,
  types: readonly string[],
): Promise<LogPage> {
  const [page] = await store.readLogs([{ partition, after }], limit, { types });
  if (page === undefined) throw new Error('a cursor has no page');
  return page;
}

/** The newest version of each stream; 0 for an unknown one. */
async function readVersions(store: StreamReader, ids: readonly string[]): Promise<number[]> {
  return (await store.readNewest(ids)).map((newest) => newest?.version ?? 0);
}

const row = (id: string, partition: number, wakeAt: number | null = 5_000): ContractRow => ({ id, partition, wakeAt });

/** The contract that every event store must fulfil. `setup` returns an empty store, which keeps rows of `kind`. */
export function eventStoreContract<Rows>(
  name: string,
  kind: ContractKind<Rows>,
  setup: () => Promise<ContractSetup<Rows>>,
): void {
  const { first: FIRST, later: LATER, light: other } = kind;

  const event = (executionId: string, partition: number, version: number, data: object = {}): NewEvent => ({
    executionId,
    partition,
    version,
    type: version === 1 ? FIRST : LATER,
    commandId: `c-${version}`,
    at: 1_000 + version,
    data: encodeJson(data),
    link: '',
  });

  describe(`the event store ${name}`, () => {
    let store: EventStore<LogEvent, Rows>;
    let close: () => Promise<void>;
    let lane: CommitLane<Rows>;

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
      created: readonly ContractRow[] = [],
      changed: readonly ContractRow[] = [],
    ): Promise<CommitRequest<Rows>> => {
      const view = await store.view();
      const ends = partitions.map((one) => ({
        ...one,
        lastPosition: view.partitions[one.partition]?.lastPosition ?? 0,
      }));
      return { partitions: ends, events, ...kind.rows(created, changed) };
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
            event(a, 0, 1, { n: 1, list: [1], none: {} }),
            event(b, 1, 1, kind.kept),
            event(c, 0, 1, kind.leftOut),
            event(a, 0, 2),
          ],
          [row(a, 0), row(b, 1), row(c, 0)],
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
        type: FIRST,
        at: 1_001,
        commandId: 'c-1',
        position: 1,
        partition: 0,
        data: { n: 1, list: [1], none: {} },
      });
      expect((await readLog(store, 0, 1, 1, [])).events.map((item) => item.position)).toEqual([2]);
      expect(await readLog(store, 0, 0, 10, [LATER])).toMatchObject({
        position: 3,
        events: [{ position: 3 }],
      });
      const cursors = [
        { partition: 1, after: 0 },
        { partition: 0, after: 3 },
        { partition: 0, after: 0 },
      ];
      const pages = await store.readLogs(cursors, 2);
      expect(pages.map(({ events, position }) => [events.map((item) => item.executionId), position])).toEqual([
        [[b], 1],
        [[], 3],
        [[a, c], 2],
      ]);
      const selection = { types: [FIRST], filter: kind.filter };
      const filtered = await store.readLogs(cursors, 2, selection);
      // Only one first event is kept, and the log is still read to its end.
      expect(filtered.map(({ events, position }) => [events.map((item) => item.executionId), position])).toEqual([
        [[b], 1],
        [[], 3],
        [[], 3],
      ]);
      const rest = await store.readLogs(cursors, 10, { filter: kind.filter });
      expect(rest.map(({ events }) => events.map((item) => item.type))).toEqual([[FIRST], [], [LATER]]);
      expect(await readVersions(store, [c, a, newId()])).toEqual([1, 2, 0]);
      expect(await store.readNewest([a, newId(), b])).toEqual([
        { version: 2, type: LATER },
        undefined,
        { version: 1, type: FIRST },
      ]);
      expect((await store.readEvents(a, 2, 10)).map((item) => item.version)).toEqual([2]);
      expect(
        [...(await store.readStreams([a, b, newId()])).entries()].map(([id, items]) => [id, items.length]),
      ).toEqual(
        expect.arrayContaining([
          [a, 2],
          [b, 1],
        ]),
      );
      expect(await store.streamsAfter(0, 1, 10)).toEqual([
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
          [row(a, 2), row(b, 3)],
        ),
      );
      expect(outcome).toEqual({ kind: 'committed', held: new Map([[2, 0]]) });
      expect(await readVersions(store, [a, b])).toEqual([1, 0]);
      expect(await store.nextDue([3])).toBeUndefined();
      expect((await store.view()).partitions[3]?.lastPosition).toBe(0);
    });

    describe('with a second commit while one is in flight', () => {
      const begin = async (partition: number) => {
        const fence = { partition, epoch: await take(partition), publishedPosition: 0 };
        const first = await request([fence], [event(newId(), partition, 1)]);
        const [end] = first.partitions;
        if (end === undefined) throw new Error('no partition');
        const next = (events: readonly NewEvent[]): CommitRequest<Rows> => ({
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
        const created = kind.rows([row(begun.executionId, 2)], []);
        const changed = kind.rows([], [row(begun.executionId, 2, 4_000_000)]);
        const ended: string[] = [];
        const outcomes = await Promise.all([
          lane.commit({ ...first, ...created }).finally(() => ended.push('first')),
          lane.commit({ ...next([event(begun.executionId, 2, 2)]), ...changed }).finally(() => ended.push('second')),
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
      expect((await lane.commit(await request(fence, [event(a, 4, 1)], [row(a, 4)]))).kind).toBe('committed');
      const outcome = await lane.commit(await request(fence, [event(b, 4, 1), event(a, 4, 1)], [row(b, 4)]));
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

    it('moves published positions only forward: with a commit, alone and on release', async () => {
      const epoch = await take(6);
      const at = (publishedPosition: number) => [{ partition: 6, epoch, publishedPosition }];
      const published = async () => (await store.view()).partitions[6]?.publishedPosition;
      const [a, b] = [newId(), newId()];
      await lane.commit(await request(at(0), [event(a, 6, 1), event(b, 6, 1)], [row(a, 6), row(b, 6)]));
      await lane.commit(await request(at(1), [event(a, 6, 2)]));
      expect(await published()).toBe(1);
      await store.publish(at(2));
      await store.publish(at(1));
      expect(await published()).toBe(2);
      await store.release('me', at(3));
      expect((await store.view()).partitions[6]).toMatchObject({ owner: null, publishedPosition: 3, lastPosition: 3 });
    });

    it('finds due streams, earliest first, and none without a wake-up', async () => {
      const epoch = await take(7);
      const fence = [{ partition: 7, epoch, publishedPosition: 0 }];
      const [late, soon, done] = [newId(), newId(), newId()];
      await lane.commit(
        await request(
          fence,
          [event(late, 7, 1), event(soon, 7, 1), event(done, 7, 1)],
          [row(late, 7, 900), row(soon, 7, 300), row(done, 7, 100)],
        ),
      );
      await lane.commit(await request(fence, [event(done, 7, 2)], [], [row(done, 7, null)]));
      expect(await store.readDue([7], 1_000, 10)).toEqual([
        { id: soon, partition: 7, wakeAt: 300 },
        { id: late, partition: 7, wakeAt: 900 },
      ]);
      expect(await store.readDue([7], 500, 10)).toHaveLength(1);
      expect(await store.nextDue([7])).toBe(300);
      expect(await store.nextDue([])).toBeUndefined();
    });

    it('replaces NUL characters and lone surrogates everywhere', async () => {
      const epoch = await take(0);
      const id = newId();
      const hostile = { 'k\u0000': ['a\u0000b', '\ud800', 'ok \u{1f600}'], nested: { x: '\udc00tail' } };
      const outcome = await lane.commit(
        await request(
          [{ partition: 0, epoch, publishedPosition: 0 }],
          [event(id, 0, 1, hostile)],
          [{ ...row(id, 0), text: 'x\u0000y' }],
        ),
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

    it('keeps the newest snapshot of a fold, while the event of its version exists', async () => {
      const epoch = await take(5);
      const id = newId();
      const fence = [{ partition: 5, epoch, publishedPosition: 0 }];
      await lane.commit(await request(fence, [event(id, 5, 1), event(id, 5, 2), event(id, 5, 3)]));
      const write = (version: number, reducerVersion = 1): Promise<void> =>
        store.writeSnapshot({
          executionId: id,
          version,
          reducerVersion,
          configId: 'c',
          configVersion: 2,
          state: { version, text: 'a\u0000b' },
        });
      const read = async (reducerVersion = 1): Promise<unknown> =>
        (await store.readSnapshots([newId(), id], reducerVersion)).get(id);
      await write(9);
      expect(await read()).toBeUndefined();
      await write(2);
      const second = { configId: 'c', configVersion: 2, executionId: id, reducerVersion: 1, version: 2 };
      expect(await read()).toEqual({ ...second, state: { version: 2, text: 'a\ufffdb' } });
      await write(1);
      expect(await read()).toMatchObject({ version: 2 });
      await write(3);
      expect(await read()).toMatchObject({ version: 3 });
      // Another fold cannot read it, and replaces it.
      expect(await read(2)).toBeUndefined();
      await write(1, 2);
      expect(await read(2)).toMatchObject({ version: 1 });
      expect(await read(1)).toBeUndefined();
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
          known.map(({ partition, id }) => row(id, partition, 9_000_000)),
        ),
      );
      if (before.kind !== 'committed') throw new Error(before.kind);
      const events = known.map(({ partition, id }) => event(id, partition, 2, { n: 2 }));
      const news = await request(
        fences,
        starts ? [...events, ...fresh.map((one) => event(one.id, one.partition, 1))] : events,
        starts ? fresh.map(({ partition, id }) => row(id, partition, 8_000_000)) : [],
        changes ? known.map(({ partition, id }) => row(id, partition, 7_000_000)) : [],
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

    it('stores rows of streams without a table of their own, and finds them when they are due', async () => {
      const partition = 7;
      const fence = { partition, epoch: await take(partition), publishedPosition: 0 };
      const [light, own] = [newId(), newId()];
      const stream = (version: number, wakeAt: number | null): StreamRow => ({
        id: light,
        partition,
        kind: other.name,
        tenantId: 'default',
        name: `version ${version}`,
        configId: 'config-1',
        status: 'active',
        version,
        wakeAt,
        createdAt: 1_000,
        view: { version },
      });
      const on: NewEvent = { ...event(light, partition, 1), type: other.first };
      const off: NewEvent = { ...event(light, partition, 2), type: other.later };
      await lane.commit({
        ...(await request([fence], [on, event(own, partition, 1)], [row(own, partition, 150)])),
        streams: [stream(1, 100.5)],
      });
      expect(await store.readDue([partition], 200, 10)).toEqual([
        { id: light, partition, wakeAt: 100 },
        { id: own, partition, wakeAt: 150 },
      ]);
      expect(await store.nextDue([partition])).toBe(100);
      const idsOf = async (only?: string): Promise<string[]> => {
        const [page] = await store.readLogs([{ partition, after: 0 }], 100, only === undefined ? {} : { kind: only });
        expect(page?.position).toBe((await store.view()).partitions[partition]?.lastPosition);
        return page?.events.map(({ executionId }) => executionId) ?? [];
      };
      expect(await idsOf()).toEqual(expect.arrayContaining([light, own]));
      expect(await idsOf(other.name)).toEqual([light]);
      expect(await idsOf(kind.name)).toContain(own);
      expect(await idsOf(kind.name)).not.toContain(light);
      expect((await store.streamsAfter(partition, 0, 100)).map(({ id }) => id)).toContain(light);
      expect((await store.readStreams([light])).get(light)).toMatchObject([{ type: other.first }]);
      const fenced = await lane.commit({
        ...(await request([{ ...fence, epoch: fence.epoch + 1 }], [off])),
        streams: [stream(2, null)],
      });
      expect(fenced).toEqual({ kind: 'committed', held: new Map() });
      expect(await store.nextDue([partition])).toBe(100);
      await lane.commit({ ...(await request([fence], [off])), streams: [stream(2, null)] });
      expect(await store.nextDue([partition])).toBe(150);
    });
  });
}

import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, test } from '@jest/globals';
import { limiterIdOf } from '@batuta/contracts';
import type { Event, JsonValue, LimiterView } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { MemoryExecutionStore } from '../src/store/memory/memory-execution-store.js';
import { PARTITIONS, StallingClock, TestBus, engineInMemory } from './engine-in-memory.js';
import type { TestEngine } from './engine-in-memory.js';
import { TENANT, cancelRequest, executionId, startRequest, success } from './fixtures.js';
import { Platform } from './platform.js';

const GENEROUS = { timeoutMs: 120_000 };

async function history(store: MemoryExecutionStore, id: string): Promise<Event[]> {
  return (await store.readStreams([id])).get(id) ?? [];
}

const limiterOf = (store: MemoryExecutionStore, id: string): LimiterView | undefined =>
  store.streamRow(id)?.view as unknown as LimiterView | undefined;

/** The most executions of this list that had a place at the same time, by their logs. */
async function mostAtOnce(store: MemoryExecutionStore, ids: readonly string[]): Promise<number> {
  const changes: { readonly at: number; readonly by: 1 | -1 }[] = [];
  for (const id of ids) {
    const events = await history(store, id);
    for (const { type, at } of events) {
      if (type === 'PlaceTaken') changes.push({ at, by: 1 });
      if (type === 'ExecutionCompleted' || type === 'ExecutionCancelled') changes.push({ at, by: -1 });
    }
  }
  let held = 0;
  let most = 0;
  // At the same millisecond the end comes first: the grant follows it.
  for (const { by } of changes.toSorted((a, b) => a.at - b.at || a.by - b.by)) {
    held += by;
    most = Math.max(most, held);
  }
  return most;
}

describe('the limiter of a config in an engine', () => {
  const engines: TestEngine[] = [];
  const clocks: StallingClock[] = [];
  afterEach(async () => {
    // An engine whose clock stands still cannot stop.
    for (const clock of clocks.splice(0)) clock.go();
    for (const { engine } of engines.splice(0)) await engine.stop();
  });
  const start = async (options: Parameters<typeof engineInMemory>[0] = {}): Promise<TestEngine> => {
    const started = await engineInMemory(options);
    engines.push(started);
    return started;
  };
  const begin = async (bus: TestBus, configId: string, input: JsonValue = { customer: 'c' }): Promise<string> => {
    const id = executionId();
    await bus.command(startRequest(id, configId, input)).answer;
    return id;
  };
  /** Completes what was dispatched, one task. */
  const workOne = async (bus: TestBus): Promise<void> => {
    const task = bus.tasks.shift();
    if (task === undefined) return;
    const { replies } = await bus.results(task.executionId, [success(task)]).answer;
    // A worker reports again what was not taken, for example because the partition has no owner for a moment.
    if (!['recorded', 'stale'].includes(replies[0]?.outcome ?? '')) bus.tasks.push(task);
  };
  const limiter = limiterIdOf(TENANT, 'limited', 'c');

  test('keeps to its limit while its owner is replaced in the middle, and no place is lost', async () => {
    const store = new MemoryExecutionStore(() => Date.now());
    const clock = new StallingClock();
    clocks.push(clock);
    const first = await start({ store, bus: new TestBus(), clock, leaseMs: 1_000 });
    const ids: string[] = [];
    for (let index = 0; index < 12; index++) ids.push(await begin(first.bus, 'limited'));
    await eventually(() => limiterOf(store, limiter)?.waiting === 10, { describe: 'ten wait', ...GENEROUS });
    await eventually(() => first.bus.tasks.length === 2, { describe: 'two run', ...GENEROUS });
    await workOne(first.bus);
    // The owner stands still while places are held and on their way.
    clock.stop();
    const second = await start({ store, name: 'two' });
    await eventually(() => second.engine.owned.length === PARTITIONS, { describe: 'it has all', ...GENEROUS });
    await eventually(
      async () => {
        await workOne(second.bus);
        const ends = await Promise.all(ids.map((id) => history(store, id)));
        return ends.every((events) => events.at(-1)?.type === 'ExecutionCompleted');
      },
      { describe: 'all have completed', ...GENEROUS },
    );
    expect(await mostAtOnce(store, ids)).toBe(2);
    await eventually(() => limiterOf(store, limiter)?.held === 0, { describe: 'all places are back', ...GENEROUS });
    const granted = (await history(store, limiter)).filter(({ type }) => (type as string) === 'PlaceGranted');
    expect(granted.map(({ data }) => (data as unknown as { holder: string }).holder)).toEqual(ids);
  });

  test('gives the place of a holder that is gone to another one', async () => {
    const { bus, store } = await start();
    const holder = executionId();
    const acquire = {
      tenantId: TENANT,
      order: 2,
      configId: randomUUID(),
      configName: 'limited',
      configVersion: 1,
      key: 'c',
      limit: 1,
      onLimit: 'queue',
      priority: 'normal',
    };
    const message = { streamId: limiter, messageId: 'm', from: holder, acquire };
    const asked = await bus.ask<object>('message', limiter, message).answer;
    expect(asked).toMatchObject({ outcome: 'recorded', place: { state: 'held' } });
    // The engine tells the holder of its place, and nobody is there.
    await eventually(() => limiterOf(store, limiter)?.held === 0, { describe: 'it is free again', ...GENEROUS });
    const last = (await history(store, limiter)).at(-1);
    expect(last?.data).toMatchObject({ holder, cause: 'lost' });
  });

  test('hears only executions of its tenant', async () => {
    const { bus, store } = await start();
    await begin(bus, 'limited');
    await eventually(() => limiterOf(store, limiter)?.held === 1, { describe: 'it is held', ...GENEROUS });
    const base = { streamId: limiter, messageId: 'm', from: executionId() };
    const release = { ...base, release: { tenantId: 'other', order: 99 } };
    expect(await bus.ask<object>('message', limiter, release).answer).toEqual({ outcome: 'unknown' });
    expect(limiterOf(store, limiter)?.held).toBe(1);
  });

  test('shows who holds places and who waits', async () => {
    const { bus, store } = await start();
    const ids = [await begin(bus, 'limited'), await begin(bus, 'limited'), await begin(bus, 'limited')];
    await begin(bus, 'limited', { customer: 'another' });
    await eventually(() => limiterOf(store, limiter)?.waiting === 1, { describe: 'one waits', ...GENEROUS });
    expect(limiterOf(store, limiter)).toMatchObject({
      configName: 'limited',
      key: 'c',
      limit: 2,
      holders: [{ executionId: ids[0] }, { executionId: ids[1] }],
      waiters: [{ executionId: ids[2], priority: 'normal' }],
    });
    await bus.command(cancelRequest(ids[2] ?? '')).answer;
    await eventually(() => limiterOf(store, limiter)?.waiting === 0, { describe: 'nobody waits', ...GENEROUS });
  });
});

describe('executions of configs with a limit, with real servers', () => {
  let platform: Platform;
  const started = async (configId: string, input: JsonValue = { customer: 'c' }): Promise<string> => {
    const id = executionId();
    const reply = await platform.command(startRequest(id, configId, input));
    expect(reply.accepted).toBeDefined();
    return id;
  };
  const becomes = (id: string, status: string): Promise<unknown> =>
    eventually(async () => expect((await platform.get(id))?.status).toBe(status), GENEROUS);

  beforeAll(async () => {
    platform = await Platform.start();
    await platform.execution('one');
    platform.agent = () => undefined;
    await platform.run();
  });
  afterAll(() => platform.end());

  it('wait for their turn, say so, and go on when a place is free', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 3; index++) ids.push(await started('limited', { customer: 'turns' }));
    const [first = '', second = '', third = ''] = ids;
    await becomes(first, 'running');
    await becomes(second, 'running');
    await eventually(async () => {
      const view = await platform.get(third);
      expect(view?.pendingReason).toBe(
        'waits for one of 2 concurrent executions with key "turns"; joined the queue as number 1',
      );
      expect(view?.concurrency).toMatchObject({ state: 'waiting', position: 1, held: 2, limit: 2 });
    }, GENEROUS);
    await platform.command(cancelRequest(first));
    await becomes(third, 'running');
    expect((await platform.get(third))?.concurrency).toMatchObject({ state: 'held' });
    for (const id of [second, third]) await platform.command(cancelRequest(id));
  });

  it('end for a newer one, or fail, when their config says so', async () => {
    const [older, newer] = [await started('newest'), await started('newest')];
    await becomes(older, 'cancelled');
    await becomes(newer, 'running');
    expect((await platform.get(older))?.cancelReason).toBe(
      `execution ${newer} took its place of 1 concurrent execution`,
    );
    const [kept, refused] = [await started('exclusive'), await started('exclusive')];
    await becomes(kept, 'running');
    await becomes(refused, 'failed');
    expect((await platform.get(refused))?.failure).toMatchObject({ code: 'concurrency_limit' });
  });

  it('keep their places over a restart, and snapshots and rows agree with the log', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 6; index++) ids.push(await started('limited', { customer: 'restart' }));
    const limiter = limiterIdOf(TENANT, 'limited', 'restart');
    const row = async (): Promise<LimiterView | undefined> => {
      const { rows } = await platform.sql.query<{ view: LimiterView }>(
        `SELECT view FROM execution.streams WHERE id = $1 AND kind = 'limiter'`,
        [limiter],
      );
      return rows[0]?.view;
    };
    await eventually(async () => expect((await row())?.waiting).toBe(4), GENEROUS);
    await platform.execution('two');
    for (const id of ids) {
      await becomes(id, 'running');
      await platform.command(cancelRequest(id));
      await becomes(id, 'cancelled');
    }
    await eventually(async () => expect(await row()).toMatchObject({ held: 0, waiting: 0 }), GENEROUS);
    expect(await platform.logProblems()).toEqual([]);
  });
});

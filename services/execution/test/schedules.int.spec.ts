import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import { partitionOf, uuidV5 } from '@batuta/contracts';
import type {
  CommandReply,
  CommandRequest,
  Event,
  ScheduleCommand,
  ScheduleDefinition,
  ScheduleView,
} from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { MemoryExecutionStore } from '../src/store/memory/memory-execution-store.js';
import { PARTITIONS, StallingClock, TestBus, engineInMemory } from './engine-in-memory.js';
import type { TestEngine } from './engine-in-memory.js';
import { TENANT } from './fixtures.js';

const engines: TestEngine[] = [];
afterEach(async () => {
  for (const { engine } of engines.splice(0)) await engine.stop();
});

async function start(options: Parameters<typeof engineInMemory>[0] = {}): Promise<TestEngine> {
  const started = await engineInMemory(options);
  engines.push(started);
  return started;
}

const PRINCIPAL = { tenantId: TENANT, userId: 'ann', role: 'operator', keyId: 'k' } as const;
const EVERY_SECOND: ScheduleDefinition = {
  name: 'often',
  config: 'three',
  timetable: { every_ms: 1_000 },
  overlap: 'allow',
};

/** Sends a request like the gateway: again until there is an answer. */
async function ask(
  bus: TestBus,
  scheduleId: string,
  schedule: ScheduleCommand,
  more: Partial<CommandRequest> = {},
): Promise<CommandReply> {
  const request: CommandRequest = {
    commandId: randomUUID(),
    executionId: scheduleId,
    principal: PRINCIPAL,
    schedule,
    ...more,
  };
  const { answer } = bus.command(request);
  return answer;
}

const view = (store: MemoryExecutionStore, id: string): ScheduleView | undefined =>
  store.streamRow(id)?.view as unknown as ScheduleView | undefined;

async function history(store: MemoryExecutionStore, id: string): Promise<Event[]> {
  return (await store.readStreams([id])).get(id) ?? [];
}

/** The nominal times of started executions, with their starts in the log. */
async function firings(store: MemoryExecutionStore, id: string): Promise<{ nominal: number; started: number }[]> {
  const fired = (await history(store, id)).filter(({ type }) => (type as string) === 'ScheduleFired');
  return Promise.all(
    fired.map(async ({ data }) => {
      const { nominalAt, executionId } = data as unknown as { nominalAt: number; executionId: string };
      const events = await history(store, executionId);
      return { nominal: nominalAt, started: events.filter(({ type }) => type === 'ExecutionStarted').length };
    }),
  );
}

/** Completes every dispatched task, also repeated ones. */
async function work(bus: TestBus, ok = true): Promise<void> {
  for (const task of bus.tasks.splice(0)) {
    const { executionId, stepId, attempt } = task;
    const times = { startedAt: Date.now(), finishedAt: Date.now(), workerId: 'w' };
    const failure = { code: 'no', message: 'no', retryable: false };
    const result = { executionId, stepId, attempt, ok, ...times, ...(ok ? { output: 1 } : { failure }) };
    const { answer } = bus.results(executionId, [result]);
    await answer;
  }
}

describe('a schedule in an engine', () => {
  test('starts executions in other partitions, hears of their ends, and tells how it is', async () => {
    const { bus, store } = await start();
    const id = randomUUID();
    const input = { at: '{% nominal_time %}', of: '{% schedule.name %}' };
    const definition = { ...EVERY_SECOND, input, overlap: 'skip', metadata: { team: 'a' } } as const;
    const created = await ask(bus, id, { create: { definition } });
    expect(created.accepted).toMatchObject({ executionId: id, status: 'active', version: 1 });
    await eventually(
      async () => {
        await work(bus);
        return (view(store, id)?.counts.completed ?? 0) >= 2;
      },
      { describe: 'two executions have ended, and the schedule knows' },
    );
    const [first] = await firings(store, id);
    expect(first?.started).toBe(1);
    const executionId = uuidV5(id, String(first?.nominal));
    const [started] = await history(store, executionId);
    expect(started?.data).toMatchObject({
      endTo: id,
      userId: 'ann',
      input: { at: new Date(first?.nominal ?? 0).toISOString(), of: 'often' },
      metadata: { team: 'a', schedule_id: id },
    });
    expect(view(store, id)?.status).toBe('active');
  });

  test('is no execution, and an execution is no schedule', async () => {
    const { bus, store } = await start();
    const id = randomUUID();
    await ask(bus, id, { create: { definition: { ...EVERY_SECOND, timetable: { every_ms: 3_600_000 } } } });
    const { schedule: _, ...request } = {
      commandId: randomUUID(),
      executionId: id,
      principal: PRINCIPAL,
      schedule: undefined,
    };
    expect((await bus.command({ ...request, cancel: {} }).answer).rejected?.code).toBe('not_found');
    const result = { executionId: id, stepId: 'a', attempt: 1, ok: true, startedAt: 1, finishedAt: 2, workerId: 'w' };
    expect((await bus.results(id, [result]).answer).replies).toEqual([{ outcome: 'unknown_execution' }]);
    const execution = randomUUID();
    const config = { configId: 'three', configVersion: 1, traceId: execution.replaceAll('-', '') };
    await bus.command({ commandId: 'c', executionId: execution, principal: PRINCIPAL, start: config }).answer;
    expect((await ask(bus, execution, { trigger: {} })).rejected?.code).toBe('not_found');
    expect((await ask(bus, execution, { create: { definition: EVERY_SECOND } })).rejected?.code).toBe('not_found');
    expect(await history(store, execution)).toMatchObject([{ type: 'ExecutionStarted' }, {}]);
  });

  test('answers another tenant as if it were not there', async () => {
    const { bus } = await start();
    const id = randomUUID();
    await ask(bus, id, { create: { definition: EVERY_SECOND } });
    const principal = { ...PRINCIPAL, tenantId: 'other' };
    for (const command of [{ pause: {} }, { trigger: {} }, { delete: {} }, { create: { definition: EVERY_SECOND } }]) {
      expect((await ask(bus, id, command, { principal })).rejected?.code).toBe('not_found');
    }
  });

  test('goes on under another owner, which fires nothing twice and loses nothing', async () => {
    const store = new MemoryExecutionStore(() => Date.now());
    const clock = new StallingClock();
    const first = await start({ store, bus: new TestBus(), clock, leaseMs: 1_000 });
    const ids = Array.from({ length: 20 }, () => randomUUID());
    await Promise.all(ids.map((id) => ask(first.bus, id, { create: { definition: EVERY_SECOND } })));
    await eventually(async () => (await firings(store, ids[0] ?? '')).length >= 1, { describe: 'it fires' });
    // It stalls in between. The next owner performs the effects of its commits.
    clock.stop();
    const second = await start({ store, name: 'two', leaseMs: 1_000 });
    await eventually(() => second.engine.owned.length === PARTITIONS, { describe: 'the other has all partitions' });
    const until = Date.now() + 2_000;
    await eventually(() => Date.now() > until, { describe: 'some more times have come' });
    await Promise.all(ids.map((id) => ask(second.bus, id, { delete: {} })));
    for (const id of ids) {
      await eventually(async () => (await firings(store, id)).every(({ started }) => started === 1), {
        describe: 'each firing has one execution',
      });
      const times = (await firings(store, id)).map(({ nominal }) => nominal);
      expect(new Set(times).size).toBe(times.length);
      // No second is missing.
      expect(times).toEqual(times.map((_, place) => (times[0] ?? 0) + place * 1_000));
    }
    clock.go();
  });

  test('says why a start was refused, pauses when it is to, and can be triggered by hand', async () => {
    const { bus, store } = await start();
    const id = randomUUID();
    const definition = { ...EVERY_SECOND, config: 'nothing', pause_on_failure: true };
    await ask(bus, id, { create: { definition } });
    await eventually(() => view(store, id)?.status === 'paused', { describe: 'it has paused' });
    expect(view(store, id)).toMatchObject({ pauseCause: 'failure', counts: { refused: 1 }, running: [] });
    const answered = (await history(store, id)).find(({ type }) => (type as string) === 'ScheduleStartAnswered');
    expect(answered?.data).toMatchObject({ outcome: 'refused', refusal: { code: 'not_found' } });
    await ask(bus, id, { update: { definition: { ...definition, config: 'three' } } });
    await ask(bus, id, { trigger: {} });
    await eventually(
      async () => {
        await work(bus, false);
        return view(store, id)?.counts.failed === 1;
      },
      { describe: 'the triggered execution has failed' },
    );
  });

  test('replaces a running execution when its policy says so', async () => {
    const { bus, store } = await start();
    const id = randomUUID();
    await ask(bus, id, { create: { definition: { ...EVERY_SECOND, overlap: 'terminate_other' } } });
    await eventually(() => (view(store, id)?.counts.cancelled ?? 0) >= 2, { describe: 'two were replaced' });
    expect(view(store, id)?.running.length).toBeLessThanOrEqual(1);
  });

  test('a message to a stream that is not there is answered, and so is one that is malformed', async () => {
    const { bus } = await start();
    const streamId = randomUUID();
    const message = { streamId, messageId: 'm', from: randomUUID(), ended: { status: 'completed', at: 1 } };
    const partition = partitionOf(streamId, PARTITIONS);
    expect(await bus.askOwner(partition, 'message', JSON.stringify(message))).toBe('{"outcome":"unknown"}');
    expect(await bus.askOwner(partition, 'message', '{}')).toBe('{"outcome":"unknown"}');
  });
});

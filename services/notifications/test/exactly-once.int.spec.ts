import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { operations } from '@batuta/contracts';
import type { CallbackReply, ListDeliveriesReply } from '@batuta/contracts';
import { eventually, runFile } from '@batuta/testing';
import type { Child } from '@batuta/testing';
import { principal, Receiver, startUnderTest } from './harness.js';
import type { UnderTest } from './harness.js';

let test: UnderTest;
let receiver: Receiver;
let children: Child[] = [];

beforeEach(async () => {
  test = await startUnderTest();
  receiver = await Receiver.start();
});

afterEach(async () => {
  await Promise.all(children.map((child) => child.end('SIGKILL')));
  children = [];
  await receiver?.close();
  await test?.close();
});

/** The service as a process of its own, ready when it answers. */
async function startProcess(env: Record<string, string> = {}): Promise<Child> {
  const child = runFile('services/notifications/src/main.ts', {
    env: { BATUTA_LOG_LEVEL: 'warn', ...test.env, ...env },
  });
  children.push(child);
  await eventually(
    () => test.client.request(operations.callbacks.list.subject, { principal: principal() }, { timeoutMs: 5_000 }),
    { describe: 'the service answers', pointless: child.ended },
  );
  return child;
}

async function create(body: object): Promise<string> {
  const reply = await test.client.request<CallbackReply>(operations.callbacks.create.subject, {
    principal: principal(),
    body: { type: 'webhook', ...body },
  });
  if (reply.callback === undefined) throw new Error(JSON.stringify(reply.refused));
  return reply.callback.id;
}

const typeOf = (body: string): string => (JSON.parse(body) as { type: string }).type;

async function expectAll(executions: readonly string[], events: readonly string[]): Promise<void> {
  await eventually(
    async () => {
      const [row] = await test.rows<{ count: number }>(
        `SELECT count(*)::int AS count FROM notifications.orchestration_callbacks WHERE status = 'delivered'`,
      );
      expect(row?.count).toBe(executions.length * events.length);
    },
    { timeoutMs: 60_000 },
  );
  const rows = await test.rows<{ execution_id: string; event_type: string }>(
    'SELECT execution_id, event_type FROM notifications.orchestration_callbacks ORDER BY position, id',
  );
  for (const execution of executions) {
    expect(rows.filter((row) => row.execution_id === execution).map((row) => row.event_type)).toEqual(events);
    // The order in which each event was first told: repeats may follow a crash, but nothing overtakes.
    const told = receiver.received
      .filter(({ body }) => body.includes(execution))
      .map(({ body }) => typeOf(body).replace('execution.', ''));
    expect([...new Set(told)]).toEqual(events);
  }
}

describe('deliveries', () => {
  it('are made once and come in order when the service is killed in the middle of them', async () => {
    const env = { BATUTA_NOTIFICATIONS_ATTEMPT_TIMEOUT: '200ms', BATUTA_NOTIFICATIONS_LEASE: '500ms' };
    // It dies before the attempts that it has under way run out of time.
    const first = await startProcess({
      BATUTA_NOTIFICATIONS_ATTEMPT_TIMEOUT: '8s',
      BATUTA_NOTIFICATIONS_LEASE: '9s',
    });
    const configId = test.engine.addConfig();
    await create({ config_id: configId, events: ['started', 'paused', 'completed'], callback_url: receiver.url });
    // Attempts that are under way when the process dies: they are answered only after that.
    receiver.answer = (_, count) => (count > 3 ? { status: 200 } : undefined);
    const executions = Array.from({ length: 6 }, () => test.engine.start(configId));
    await eventually(() => receiver.received.length >= 3, { timeoutMs: 60_000 });
    for (const execution of executions) test.engine.tell(execution, 'paused');
    await first.end('SIGKILL');
    for (const execution of executions) test.engine.tell(execution, 'completed');
    await startProcess(env);
    await expectAll(executions, ['started', 'paused', 'completed']);
    const interrupted = await test.rows(
      `SELECT 1 FROM notifications.callback_attempts WHERE outcome IN ('interrupted', 'running')`,
    );
    expect(interrupted.length).toBeGreaterThan(0);
  });

  it('are made once by several replicas, whatever happens to the notices', async () => {
    await Promise.all([test.start(), test.start(), test.start()]);
    const configId = test.engine.addConfig();
    await create({ config_id: configId, events: ['started', 'completed'], callback_url: receiver.url });
    const executions: string[] = [];
    for (const [index, notices] of [1, 2, 0, 2, 0, 1, 2, 0].entries()) {
      test.engine.notices = notices;
      const execution = test.engine.start(configId, { partition: index % 2 });
      test.engine.tell(execution, 'completed');
      executions.push(execution);
    }
    await expectAll(executions, ['started', 'completed']);
    // An attempt that takes long on a busy machine is made again: what is made once is the delivery.
    expect(await test.rows('SELECT 1 FROM notifications.orchestration_callbacks')).toHaveLength(executions.length * 2);
  });

  it('are made as soon as a notice comes, alone or among others', async () => {
    await test.start({ BATUTA_NOTIFICATIONS_POLL: '600s' });
    const configId = test.engine.addConfig();
    await create({ config_id: configId, events: ['started'], callback_url: receiver.url });
    const first = test.engine.start(configId, { partition: 1 });
    await expectAll([first], ['started']);
    test.engine.gathered = true;
    const second = test.engine.start(configId, { partition: 2 });
    await expectAll([first, second], ['started']);
  });

  it('tell of every end of an execution that is retried after it had ended, once to each callback', async () => {
    await Promise.all([test.start(), test.start()]);
    const configId = test.engine.addConfig();
    await create({ config_id: configId, events: ['failed', 'completed'], callback_url: `${receiver.url}/own` });
    await test.client.request<CallbackReply>(operations.callbacks.create.subject, {
      principal: principal(),
      body: { type: 'websocket', config_id: configId, events: ['failed', 'completed'] },
    });
    const execution = test.engine.start(configId, { callbackUrl: `${receiver.url}/short` });
    test.engine.notices = 2;
    const ends = ['failed', 'failed', 'completed'] as const;
    for (const [index, end] of ends.entries()) {
      if (index > 0) {
        test.engine.append(execution, 'ExecutionRetried', { by: 'ada', round: index });
        // Its row must not be removed like the row of an execution that ended long ago.
        await eventually(async () => {
          expect(await test.rows('SELECT ended_at FROM notifications.executions')).toEqual([{ ended_at: null }]);
        });
      }
      test.engine.tell(execution, end);
      // Each end is told before the execution goes on: also then the next one is told again.
      await eventually(async () => {
        const rows = await test.rows(
          `SELECT 1 FROM notifications.orchestration_callbacks WHERE status = 'delivered' OR callback_type = 'websocket'`,
        );
        expect(rows).toHaveLength((index + 1) * 3);
      });
    }
    for (const path of ['/own', '/short']) {
      const told = receiver.at(path);
      expect(told.map(({ body }) => typeOf(body))).toEqual(ends.map((end) => `execution.${end}`));
      expect(new Set(told.map(({ headers }) => headers['webhook-id'])).size).toBe(ends.length);
    }
    const inbox = await test.rows<{ event_type: string }>('SELECT event_type FROM notifications.inbox ORDER BY id');
    expect(inbox.map((row) => row.event_type)).toEqual(ends);
  });

  it('are not made twice when a cursor’s transaction is repeated, and a cursor never goes back', async () => {
    const service = await test.start();
    const configId = test.engine.addConfig();
    await create({ config_id: configId, events: ['completed'], callback_url: receiver.url });
    const execution = test.engine.start(configId, { partition: 1 });
    test.engine.tell(execution, 'completed');
    await expectAll([execution], ['completed']);
    await service.close();
    // As after a restore of the cursors from an older backup than the deliveries.
    await test.rows('UPDATE notifications.cursors SET position = 0');
    await test.start();
    await eventually(async () => {
      const [row] = await test.rows<{ position: string }>(
        'SELECT position FROM notifications.cursors WHERE partition = 1',
      );
      expect(Number(row?.position)).toBe(2);
    });
    await expectAll([execution], ['completed']);
    expect(receiver.received).toHaveLength(1);
  });
});

describe('a dead endpoint', () => {
  it('delays no other destination, and its own deliveries wait until it works', async () => {
    await test.start({
      BATUTA_NOTIFICATIONS_CONCURRENCY: '3',
      BATUTA_NOTIFICATIONS_DESTINATION_CONCURRENCY: '2',
      BATUTA_NOTIFICATIONS_ATTEMPT_TIMEOUT: '400ms',
      BATUTA_NOTIFICATIONS_BREAKER_FAILURES: '3',
      BATUTA_NOTIFICATIONS_BREAKER_OPEN: '1s',
    });
    const dead = await Receiver.start();
    try {
      dead.answer = () => undefined;
      const configs = { dead: test.engine.addConfig(), good: test.engine.addConfig() };
      await create({ config_id: configs.dead, events: ['completed'], callback_url: dead.url, max_retries: 50 });
      await create({ config_id: configs.good, events: ['completed'], callback_url: receiver.url });
      const begun = performance.now();
      const waiting = Array.from({ length: 40 }, () => test.engine.start(configs.dead));
      for (const execution of waiting) test.engine.tell(execution, 'completed');
      await eventually(() => dead.received.length >= 3, { timeoutMs: 60_000 });
      const good = Array.from({ length: 20 }, () => test.engine.start(configs.good));
      for (const execution of good) test.engine.tell(execution, 'completed');
      await eventually(() => receiver.received.length === good.length, { timeoutMs: 60_000 });
      await eventually(async () => {
        const [row] = await test.rows<{ open: boolean }>(
          `SELECT open_until IS NOT NULL AS open FROM notifications.destinations WHERE destination LIKE '%' || $1`,
          [dead.url],
        );
        expect(row?.open).toBe(true);
      });
      // Two at a time, 400 ms each, would be five a second: beside the first few the breaker lets one through a second.
      expect(dead.received.length).toBeLessThanOrEqual(8 + (performance.now() - begun) / 1_000);
      dead.answer = () => ({ status: 200 });
      await eventually(
        async () => {
          const [count] = await test.rows<{ count: number }>(
            `SELECT count(*)::int AS count FROM notifications.orchestration_callbacks WHERE status = 'delivered'`,
          );
          expect(count?.count).toBe(waiting.length + good.length);
        },
        { timeoutMs: 60_000 },
      );
    } finally {
      await dead.close();
    }
  });
});

describe('addresses', () => {
  const failed = (executionId: string) =>
    eventually(async () => {
      const { deliveries } = await test.client.request<ListDeliveriesReply>(operations.deliveries.deliveries.subject, {
        principal: principal(),
        executionId,
        deadLetter: true,
      });
      expect(deliveries).toHaveLength(1);
      return deliveries[0]!;
    });

  it('that are private are refused when the connection is made, also by name', async () => {
    await test.start({ BATUTA_NOTIFICATIONS_ALLOWED_ADDRESSES: '' });
    const configId = test.engine.addConfig();
    for (const host of ['127.0.0.1', 'localhost', '169.254.169.254', '10.0.0.1', '[::1]']) {
      const execution = test.engine.start(configId, { callbackUrl: `http://${host}:${new URL(receiver.url).port}/x` });
      test.engine.tell(execution, 'completed');
      const delivery = await failed(execution);
      expect(delivery.error).toBe('the address may not be called');
      expect(delivery.retryCount).toBe(0);
    }
    expect(receiver.received).toEqual([]);
  });

  it('are checked on the answer that the connection uses, so that DNS cannot change its mind', async () => {
    let asked = 0;
    await test.start(
      { BATUTA_NOTIFICATIONS_ALLOWED_ADDRESSES: '127.0.0.1' },
      {
        resolve: (_hostname, _options, callback) => {
          asked += 1;
          // Allowed for the first connection, the cloud's metadata service for the second one.
          callback(null, [{ address: asked === 1 ? '127.0.0.1' : '169.254.169.254', family: 4 }]);
        },
      },
    );
    receiver.answer = () => ({ status: 503, headers: { connection: 'close' } });
    const configId = test.engine.addConfig();
    const execution = test.engine.start(configId, {
      callbackUrl: `http://hooks.example.org:${new URL(receiver.url).port}/x`,
    });
    test.engine.tell(execution, 'completed');
    const delivery = await failed(execution);
    expect(delivery.error).toBe('the address may not be called');
    expect(receiver.received).toHaveLength(1);
    expect(asked).toBe(2);
  });
});

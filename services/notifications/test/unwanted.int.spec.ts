import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { operations } from '@batuta/contracts';
import type { CallbackReply } from '@batuta/contracts';
import type { ControlClient } from '@batuta/messaging';
import { Secret } from '@batuta/settings';
import { eventually } from '@batuta/testing';
import { NotificationsRows, migrate, notificationsDataSource } from '../src/database/data-source.js';
import { DeliveryQueue } from '../src/deliveries/delivery-queue.js';
import { deliveryLogReader } from '../src/log/delivery-maker.js';
import * as sql from '../src/log/log-sql.js';
import { loadNotificationsSettings } from '../src/settings.js';
import { logger, principal, Receiver, startUnderTest } from './harness.js';
import type { UnderTest } from './harness.js';

let test: UnderTest;
let receiver: Receiver;

beforeEach(async () => {
  test = await startUnderTest();
  receiver = await Receiver.start();
});

afterEach(async () => {
  await receiver?.close();
  await test?.close();
});

async function create(body: object, tenantId = 'default'): Promise<string> {
  const reply = await test.client.request<CallbackReply>(operations.callbacks.create.subject, {
    principal: principal(tenantId),
    body: { type: 'webhook', ...body },
  });
  if (reply.callback === undefined) throw new Error(JSON.stringify(reply.refused));
  return reply.callback.id;
}

const remove = (id: string) => test.client.request(operations.callbacks.delete.subject, { principal: principal(), id });

/** Waits until the log has been read to its end in these partitions, all of them by default. */
const allRead = (partitions = [...test.engine.logs.keys()]): Promise<unknown> =>
  eventually(async () => {
    const cursors = await test.rows<{ position: string }>(
      'SELECT position FROM notifications.cursors WHERE partition = ANY($1) ORDER BY partition',
      [partitions],
    );
    expect(cursors.map(({ position }) => Number(position))).toEqual(
      partitions.map((partition) => test.engine.logs[partition]!.length),
    );
  });

interface Told {
  readonly type: string;
  readonly data: { readonly execution_id: string; readonly config_name: string; readonly tenant_id: string };
}

/** What the receiver was told at this path: event and execution, in order. */
const toldAt = (path: string): [string, string][] =>
  receiver.at(path).map(({ body }) => {
    const { type, data } = JSON.parse(body) as Told;
    return [type.replace('execution.', ''), data.execution_id];
  });

const expectTold = (path: string, expected: [string, string][]): Promise<unknown> =>
  eventually(() => expect(toldAt(path)).toEqual(expected), { timeoutMs: 60_000 });

const kept = async (): Promise<string[]> =>
  (
    await test.rows<{ execution_id: string }>('SELECT execution_id FROM notifications.executions ORDER BY created_at')
  ).map((row) => row.execution_id);

/** An execution of some config in a partition. */
const start = (more: Parameters<UnderTest['engine']['start']>[1] = {}): string =>
  test.engine.start(test.engine.addConfig(), more);

describe('while no callback wants notifications', () => {
  it('no facts of executions are stored, and the execution service is not asked', async () => {
    await test.start();
    for (let count = 0; count < 8; count += 1) {
      const execution = start();
      test.engine.tell(execution, 'step_failed');
      await allRead();
      test.engine.tell(execution, 'completed');
    }
    await allRead();
    expect(await kept()).toEqual([]);
    expect(test.engine.startsAsked).toEqual([]);
  });

  it('one statement moves the cursors of a pass, for all events that were read', async () => {
    const statements: string[] = [];
    const settings = loadNotificationsSettings(test.env);
    const dataSource = notificationsDataSource({ databaseUrl: new Secret(test.database.url), connections: 2 });
    await dataSource.initialize();
    await migrate(dataSource);
    const control: ControlClient = test.client;
    const reader = deliveryLogReader({
      dataSource,
      control,
      queue: new DeliveryQueue(new NotificationsRows(dataSource), settings),
      logger,
      // Only what the test wakes it for is read.
      pollMs: 3_600_000,
      maxAgeMs: settings.giveUpMs,
      onDeliveries: () => undefined,
    });
    try {
      reader.start();
      await eventually(async () => {
        expect(await test.rows('SELECT 1 FROM notifications.cursors')).toHaveLength(test.engine.partitions);
        reader.wake(0, 1);
        expect(test.engine.asked).toContain(operations.engine.log.subject);
      });
      const first = start({ partition: 0 });
      reader.wake(0, test.engine.logs[0]!.length);
      await allRead();
      dataSource.setOptions({
        logging: ['query'],
        logger: {
          logQuery: (query: string) => void statements.push(query),
          logQueryError: () => undefined,
          logQuerySlow: () => undefined,
          logSchemaBuild: () => undefined,
          logMigration: () => undefined,
          log: () => undefined,
        },
      });
      test.engine.tell(first, 'completed');
      for (let count = 0; count < 20; count += 1) test.engine.tell(start({ partition: 0 }), 'completed');
      reader.wake(0, test.engine.logs[0]!.length);
      await allRead();
    } finally {
      await reader.close();
      await dataSource.destroy();
    }
    expect(statements).toHaveLength(1);
    // Which of them depends on how often the reader was woken before.
    expect([sql.MOVE_UNLESS_WANTED, sql.MOVE_UNLESS_ANYBODY]).toContain(statements[0]);
  });
});

describe('when no callback has wanted notifications for some passes', () => {
  const events = ['started', 'paused', 'completed'];

  /** Executions come and go until only starts that name a callback_url are read. */
  const quieten = async (): Promise<void> => {
    await eventually(
      async () => {
        test.engine.tell(start(), 'completed');
        await allRead();
        expect(test.engine.quietReadings.at(-1)).toBe(true);
      },
      { timeoutMs: 60_000, describe: 'only little is read' },
    );
  };

  beforeEach(async () => {
    await test.start();
    await quieten();
  });

  it('the cursors move past events without reading them', async () => {
    const from = test.engine.quietReadings.length;
    for (let count = 0; count < 5; count += 1) {
      const execution = start({ partition: count % 4 });
      for (const name of ['step_failed', 'paused', 'completed'] as const) test.engine.tell(execution, name);
      await allRead();
    }
    expect(test.engine.quietReadings.slice(from)).not.toContain(false);
    expect(await kept()).toEqual([]);
  });

  it('a start that names a callback_url is noticed, and its end that was read with it', async () => {
    const execution = start({ callbackUrl: `${receiver.url}/short`, partition: 1 });
    test.engine.tell(execution, 'completed');
    await expectTold('/short', [['completed', execution]]);
    const later = start({ callbackUrl: `${receiver.url}/later`, partition: 1 });
    await eventually(async () => expect(await kept()).toContain(later));
    test.engine.tell(later, 'failed');
    await expectTold('/later', [['failed', later]]);
  });

  it('its end is noticed when the start was read long before', async () => {
    const execution = start({ callbackUrl: `${receiver.url}/short`, partition: 2 });
    await eventually(async () => expect(await kept()).toContain(execution));
    for (let count = 0; count < 60; count += 1) {
      start({ partition: count % 4 });
      await allRead();
    }
    // It may be tried again by now, and must have been refused: the execution has not ended.
    test.engine.tell(execution, 'completed');
    await expectTold('/short', [['completed', execution]]);
    await quieten();
  });

  it('a callback gets every event that comes after it was made', async () => {
    const configId = test.engine.addConfig();
    const running = test.engine.start(configId, { partition: 0 });
    await allRead();
    await create({ config_id: configId, events, callback_url: `${receiver.url}/config` });
    test.engine.tell(running, 'completed');
    const fresh = test.engine.start(configId, { partition: 0 });
    // In any order: they are two executions.
    await eventually(() => {
      expect(Object.fromEntries(toldAt('/config'))).toEqual({ completed: running, started: fresh });
    });
  });

  it('a callback of one execution gets its events', async () => {
    const execution = start({ partition: 3 });
    await allRead();
    await create({ execution_id: execution, events, callback_url: `${receiver.url}/own` });
    test.engine.tell(execution, 'paused');
    await expectTold('/own', [['paused', execution]]);
    // As a retry can leave it that is committed while the callback is made.
    await test.rows('UPDATE notifications.executions SET ended_at = now() WHERE execution_id = $1', [execution]);
    for (let count = 0; count < 60; count += 1) {
      start({ partition: count % 4 });
      await allRead();
    }
    test.engine.tell(execution, 'completed');
    await expectTold('/own', [
      ['paused', execution],
      ['completed', execution],
    ]);
  });

  it('a retry of an execution that named a callback_url is noticed', async () => {
    const execution = start({ callbackUrl: `${receiver.url}/short`, partition: 1 });
    test.engine.tell(execution, 'failed');
    await expectTold('/short', [['failed', execution]]);
    // As the cleaning of what has ended long ago does.
    await test.rows('DELETE FROM notifications.executions WHERE execution_id = $1', [execution]);
    await quieten();
    test.engine.append(execution, 'ExecutionRetried', { by: 'ada', round: 1 });
    test.engine.tell(execution, 'completed');
    await expectTold('/short', [
      ['failed', execution],
      ['completed', execution],
    ]);
  });

  it('several replicas make each delivery once', async () => {
    await Promise.all([test.start(), test.start()]);
    const executions: string[] = [];
    for (let count = 0; count < 12; count += 1) {
      if (count % 3 > 0) await quieten();
      const execution = start({ callbackUrl: `${receiver.url}/short`, partition: count % 2 });
      test.engine.tell(execution, 'completed');
      executions.push(execution);
    }
    await eventually(
      () =>
        expect(
          toldAt('/short')
            .map(([, id]) => id)
            .sort(),
        ).toEqual(executions.sort()),
      {
        timeoutMs: 60_000,
      },
    );
  });
});

describe('an execution without stored facts', () => {
  it('is notified with all facts of its start when its config gets a callback, and the facts are asked for once', async () => {
    await test.start();
    const configId = test.engine.addConfig();
    const running = Array.from({ length: 3 }, () => test.engine.start(configId, { partition: 0, userId: 'grace' }));
    const stranger = start({ partition: 0 });
    await allRead();
    const events = ['started', 'paused', 'completed'];
    const id = await create({ config_id: configId, events, callback_url: `${receiver.url}/config` });
    await create({
      config_id: configId,
      events: ['paused'],
      callback_url: `${receiver.url}/template`,
      callback_body_template: '{{ execution.user_id }} {{ execution.config_name }} {{ execution.trace_id }}',
    });
    test.engine.notices = 0;
    for (const execution of [stranger, ...running]) test.engine.tell(execution, 'paused');
    test.engine.notices = 1;
    test.engine.tell(stranger, 'step_failed');
    await eventually(() =>
      expect(toldAt('/config').sort()).toEqual(running.map((execution) => ['paused', execution]).sort()),
    );
    await eventually(() => expect(receiver.at('/template')).toHaveLength(running.length));
    await allRead();
    expect(receiver.at('/template')[0]?.body).toBe(`grace incident ${'a'.repeat(32)}`);
    // In one request, the stranger among them: whose config it is, is not known before.
    expect(test.engine.startsAsked).toEqual([[stranger, ...running]]);
    for (const execution of running) test.engine.tell(execution, 'completed');
    await eventually(() => expect(toldAt('/config')).toHaveLength(6));
    expect(test.engine.startsAsked).toHaveLength(1);
    expect((await kept()).sort()).toEqual([stranger, ...running].sort());
    const fresh = test.engine.start(configId, { partition: 0 });
    await eventually(() => expect(toldAt('/config').at(-1)).toEqual(['started', fresh]));
    expect(test.engine.startsAsked).toHaveLength(1);
    await remove(id);
  });

  it('is notified when it gets a callback of its own, and no facts of other executions are stored for that', async () => {
    await test.start();
    const [wanted, other] = [start({ partition: 0 }), start({ partition: 0 })];
    await allRead();
    await create({
      execution_id: wanted,
      events: ['paused', 'completed'],
      callback_url: `${receiver.url}/own`,
    });
    for (const execution of [wanted, other]) test.engine.tell(execution, 'paused');
    const late = start({ partition: 0 });
    for (const execution of [other, wanted, late]) test.engine.tell(execution, 'completed');
    await expectTold('/own', [
      ['paused', wanted],
      ['completed', wanted],
    ]);
    await allRead();
    expect(await kept()).toEqual([wanted]);
    // What it needs was kept with the callback.
    expect(test.engine.startsAsked).toEqual([[wanted]]);
    test.engine.append(wanted, 'ExecutionRetried', { by: 'ada', round: 1 });
    await allRead();
    test.engine.tell(wanted, 'completed');
    await eventually(() => expect(toldAt('/own')).toHaveLength(3));
  });

  it('is notified although the facts stored with its own callback are gone', async () => {
    await test.start();
    const execution = start();
    await allRead();
    await create({ execution_id: execution, events: ['paused'], callback_url: `${receiver.url}/own` });
    await test.rows('DELETE FROM notifications.executions');
    test.engine.tell(execution, 'paused');
    await expectTold('/own', [['paused', execution]]);
    expect(await kept()).toEqual([execution]);
  });

  it('is not notified to another tenant whose callbacks belong to the same global config', async () => {
    await test.start();
    const configId = test.engine.addConfig('other');
    const theirs = test.engine.start(configId, { partition: 0 });
    test.engine.configs.set(configId, 'default');
    const mine = test.engine.start(configId, { partition: 0 });
    await allRead();
    await create({ config_id: configId, events: ['completed'], callback_url: `${receiver.url}/mine` });
    const refused = await test.client.request<CallbackReply>(operations.callbacks.create.subject, {
      principal: principal(),
      body: { type: 'webhook', execution_id: theirs, events: ['completed'], callback_url: receiver.url },
    });
    expect(refused.refused?.violations?.map(({ code }) => code)).toEqual(['unknown_execution']);
    for (const execution of [theirs, mine]) test.engine.tell(execution, 'completed');
    await expectTold('/mine', [['completed', mine]]);
    await allRead();
    const rows = await test.rows('SELECT execution_id, tenant_id FROM notifications.orchestration_callbacks');
    expect(rows).toEqual([{ execution_id: mine, tenant_id: 'default' }]);
  });

  it.each(['silence', 'error'] as const)(
    'stops the cursor where it is wanted, and no other, while the execution service answers with %s',
    async (how) => {
      await test.start();
      const configId = test.engine.addConfig();
      const unknown = test.engine.start(configId, { partition: 0 });
      await allRead();
      await create({ config_id: configId, events: ['started', 'completed'], callback_url: `${receiver.url}/x` });
      test.engine.serveStarts(how);
      await test.nats.flush();
      // Without notices both partitions are read by the same poll.
      test.engine.notices = 0;
      test.engine.tell(unknown, 'completed');
      const fresh = test.engine.start(configId, { partition: 1 });
      test.engine.tell(fresh, 'completed');
      await expectTold('/x', [
        ['started', fresh],
        ['completed', fresh],
      ]);
      await allRead([1, 2, 3]);
      expect(await test.rows('SELECT position FROM notifications.cursors WHERE partition = 0')).toEqual([
        { position: '1' },
      ]);
      test.engine.serveStarts('answer');
      await eventually(() => expect(toldAt('/x').at(-1)).toEqual(['completed', unknown]));
      await allRead();
      expect(receiver.received).toHaveLength(3);
    },
  );

  it('is counted and does not stop a cursor when the log does not know it', async () => {
    const { opsUrl } = await test.start({}, { opsServer: true });
    const counted = async (): Promise<number> => {
      const metrics = await (await fetch(`${opsUrl}/metrics`)).text();
      return Number(/^batuta_notifications_events_without_execution_total(?:\{.*\})? (\d+)/m.exec(metrics)?.[1] ?? 0);
    };
    const configId = test.engine.addConfig();
    const [lost, found] = [
      test.engine.start(configId, { partition: 0 }),
      test.engine.start(configId, { partition: 0 }),
    ];
    await allRead();
    test.engine.logs[0]![0] = { ...test.engine.logs[0]![0]!, executionId: 'somebody else' };
    await create({ config_id: configId, events: ['paused'], callback_url: `${receiver.url}/x` });
    const before = await counted();
    for (const execution of [lost, found]) test.engine.tell(execution, 'paused');
    await expectTold('/x', [['paused', found]]);
    await allRead();
    expect((await counted()) - before).toBe(1);
  });

  it('is notified once by several replicas', async () => {
    await Promise.all([test.start(), test.start()]);
    test.engine.notices = 2;
    const configId = test.engine.addConfig();
    const running = Array.from({ length: 12 }, () => test.engine.start(configId));
    await allRead();
    expect(await kept()).toEqual([]);
    await create({ config_id: configId, events: ['paused', 'completed'], callback_url: `${receiver.url}/x` });
    for (const execution of running) {
      test.engine.tell(execution, 'paused');
      test.engine.tell(execution, 'completed');
    }
    await eventually(() => expect(toldAt('/x')).toHaveLength(24), { timeoutMs: 60_000 });
    await allRead();
    for (const execution of running) {
      expect(toldAt('/x').filter(([, id]) => id === execution)).toEqual([
        ['paused', execution],
        ['completed', execution],
      ]);
    }
  });
});

describe('the short form', () => {
  it('stores facts from the start of its execution on, and none of other executions', async () => {
    await test.start();
    const short = start({ callbackUrl: `${receiver.url}/short`, partition: 0 });
    const others = [start({ partition: 0 }), start({ partition: 1 })];
    await allRead();
    for (const execution of [...others, short]) test.engine.tell(execution, 'completed');
    others.push(start({ partition: 0 }));
    await expectTold('/short', [['completed', short]]);
    await allRead();
    expect(await test.rows('SELECT execution_id, ended_at IS NOT NULL AS ended FROM notifications.executions')).toEqual(
      [{ execution_id: short, ended: true }],
    );
    expect(test.engine.startsAsked).toEqual([]);
  });

  it('is called at every end of an execution that is retried, also when the stored facts are gone', async () => {
    await test.start();
    const short = start({ callbackUrl: `${receiver.url}/short` });
    const told: [string, string][] = [];
    const end = async (): Promise<void> => {
      test.engine.tell(short, 'failed');
      told.push(['failed', short]);
      await expectTold('/short', told);
      await allRead();
    };
    await end();
    test.engine.append(short, 'ExecutionRetried', { by: 'ada', round: 1 });
    await allRead();
    await end();
    await test.rows('DELETE FROM notifications.executions');
    test.engine.append(short, 'ExecutionRetried', { by: 'ada', round: 2 });
    await allRead();
    await end();
    expect(test.engine.startsAsked).toEqual([[short]]);
  });
});

describe('a callback of an execution', () => {
  it.each(['before', 'after'] as const)(
    'made %s the execution ended is removed with it, when that is as long ago as things are kept',
    async (when) => {
      const service = await test.start();
      const execution = start();
      await allRead();
      const make = () =>
        create({ execution_id: execution, events: ['completed'], callback_url: `${receiver.url}/own` });
      if (when === 'before') await make();
      test.engine.tell(execution, 'completed');
      await allRead();
      if (when === 'after') await make();
      else await expectTold('/own', [['completed', execution]]);
      await eventually(async () => {
        const [row] = await test.rows('SELECT ended_at IS NOT NULL AS ended FROM notifications.executions');
        expect(row).toEqual({ ended: true });
        const open = await test.rows('SELECT 1 FROM notifications.orchestration_callbacks WHERE open');
        expect(open).toEqual([]);
      });
      await service.close();
      await test.rows(`UPDATE notifications.executions SET ended_at = now() - interval '31 days'`);
      await test.rows(`UPDATE notifications.orchestration_callbacks SET created_at = now() - interval '31 days'`);
      await test.start();
      await eventually(async () => {
        expect(await kept()).toEqual([]);
        expect(await test.rows('SELECT 1 FROM notifications.callbacks')).toEqual([]);
      });
    },
  );

  it('is removed too when it is one of more than are removed at once', async () => {
    await (await test.start()).close();
    await test.rows(`
      INSERT INTO notifications.executions (execution_id, tenant_id, trace_id, config_id, config_name, user_id, ended_at)
      VALUES ('long ago', 'default', '', 'config', 'config', 'ada', now() - interval '31 days')`);
    await test.rows(`
      INSERT INTO notifications.callbacks (id, tenant_id, execution_id, events, channel, fallback, created_by)
      SELECT gen_random_uuid(), 'default', 'long ago', '{completed}', '{}', '[]', 'ada' FROM generate_series(1, 1500)`);
    for (const left of [500, 0]) {
      const service = await test.start();
      await eventually(async () => {
        expect(await test.rows('SELECT 1 FROM notifications.callbacks')).toHaveLength(left);
      });
      await service.close();
      expect(await kept()).toEqual(left > 0 ? ['long ago'] : []);
    }
  });
});

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Cond'?: string;
  readonly Plans?: readonly PlanNode[];
}

/** What a plan reads whole, or to no end that is known, of tables that grow with the number of executions. */
function scansIn(node: PlanNode, limited = false): string[] {
  const { 'Node Type': type, 'Relation Name': table = '' } = node;
  const grows = ['executions', 'callbacks', 'events', 'orchestration_callbacks'].includes(table);
  const whole = type === 'Seq Scan' || (type.includes('Index') && node['Index Cond'] === undefined && !limited);
  return [
    ...(grows && whole ? [`${type} of ${table}`] : []),
    ...(node.Plans ?? []).flatMap((child) => scansIn(child, type === 'Limit')),
  ];
}

describe('statements of a pass', () => {
  it.each(['never analysed', 'analysed'] as const)(
    'scan nothing that grows with the number of executions, in tables that were %s',
    async (statistics) => {
      await (await test.start()).close();
      for (const table of ['executions', 'callbacks']) {
        await test.rows(`ALTER TABLE notifications.${table} SET (autovacuum_enabled = false)`);
      }
      await test.rows(`
        INSERT INTO notifications.executions (execution_id, tenant_id, trace_id, config_id, config_name, user_id, ended_at)
        SELECT 'execution-' || n, 'default', '', 'config', 'config', 'ada', CASE WHEN n % 20 > 0 THEN now() END
        FROM generate_series(1, 30000) AS n`);
      await test.rows(`
        INSERT INTO notifications.callbacks (id, tenant_id, execution_id, events, channel, fallback, enabled, created_by)
        SELECT gen_random_uuid(), 'default', 'execution-' || n, '{completed}', '{}', '[]', n % 20 = 0, 'ada'
        FROM generate_series(1, 30000) AS n`);
      if (statistics === 'analysed') await test.rows('ANALYZE notifications.executions, notifications.callbacks');
      for (const count of [1, 100, 3_200]) {
        const ids = Array.from({ length: count }, (_, index) => `execution-${index * 7}`);
        const configs = ids.map((id) => id.replace('execution', 'config'));
        const moves = [[0], [0], [1]];
        const rows = JSON.stringify(ids.map((id) => ({ execution_id: id, ended: true })));
        const messages = JSON.stringify(ids.map((id) => ({ execution_id: id, version: 1, event: {} })));
        const statements: [string, unknown[]][] = [
          [sql.CURSORS.move, moves],
          [sql.MOVE_UNLESS_WANTED, [...moves, ids, false]],
          [sql.MOVE_UNLESS_ANYBODY, moves],
          [sql.KEPT, [ids]],
          [sql.CALLBACKS, [ids, configs]],
          [sql.KEEP, [rows]],
          [sql.KEEP_EVENTS, [messages]],
        ];
        for (const [statement, values] of statements) {
          const [answer] = await test.rows<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
            `EXPLAIN (FORMAT JSON) ${statement}`,
            values,
          );
          expect({ statement, count, scans: scansIn(answer!['QUERY PLAN'][0].Plan) }).toEqual({
            statement,
            count,
            scans: [],
          });
        }
      }
    },
  );
});

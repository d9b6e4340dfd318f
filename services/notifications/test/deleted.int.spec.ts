import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { operations } from '@batuta/contracts';
import type { CallbackReply } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { principal, Receiver, startUnderTest } from './harness.js';
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

const TABLES = ['orchestration_callbacks', 'callbacks', 'events', 'inbox', 'executions'] as const;

const kept = async (executionId: string): Promise<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const table of TABLES) {
    const rows = await test.rows(`SELECT FROM notifications.${table} WHERE execution_id = $1`, [executionId]);
    counts[table] = rows.length;
  }
  return counts;
};
const NOTHING = Object.fromEntries(TABLES.map((table) => [table, 0]));

async function create(body: object): Promise<void> {
  const { refused } = await test.client.request<CallbackReply>(operations.callbacks.create.subject, {
    principal: principal(),
    body,
  });
  expect(refused).toBeUndefined();
}

const deleted = (executionId: string): void =>
  test.engine.append(executionId, 'ExecutionDeleted', { tenantId: 'default', events: 2, status: 'completed' });

describe('of an execution that was deleted', () => {
  it('nothing stays: no delivery, no waiting delivery and no entry of an inbox', async () => {
    await test.start();
    const config = test.engine.addConfig();
    await create({ type: 'webhook', config_id: config, events: ['completed'], callback_url: `${receiver.url}/told` });
    await create({ type: 'websocket', config_id: config, events: ['started'] });
    const [gone, stays] = [test.engine.start(config, { partition: 0 }), test.engine.start(config, { partition: 0 })];
    for (const id of [gone, stays]) test.engine.tell(id, 'completed');
    await eventually(() => expect(receiver.at('/told')).toHaveLength(2), { timeoutMs: 60_000 });
    // One that cannot be delivered: it would wait for days.
    await create({ type: 'webhook', execution_id: gone, events: ['completed'], callback_url: 'https://192.0.2.1/' });
    await eventually(async () => expect((await kept(gone))['inbox']).toBe(1), { timeoutMs: 60_000 });
    const before = await kept(stays);
    deleted(gone);
    await eventually(async () => expect(await kept(gone)).toEqual(NOTHING), { timeoutMs: 60_000 });
    expect(await kept(stays)).toEqual(before);
  });

  it('everything is deleted too while no callback wants notifications, and when the event comes late', async () => {
    const config = test.engine.addConfig();
    await test.start();
    const gone = test.engine.start(config, { partition: 1, callbackUrl: `${receiver.url}/short` });
    test.engine.tell(gone, 'completed');
    await eventually(() => expect(receiver.at('/short')).toHaveLength(1), { timeoutMs: 60_000 });
    // So many quiet passes that events are not read any more.
    for (let count = 0; count < 8; count += 1) {
      const other = test.engine.start(config, { partition: 1 });
      await eventually(
        async () => {
          const [cursor] = await test.rows<{ position: string }>(
            'SELECT position FROM notifications.cursors WHERE partition = 1',
          );
          expect(Number(cursor?.position)).toBe(test.engine.logs[1]?.length);
        },
        { timeoutMs: 60_000 },
      );
      expect(other).not.toBe(gone);
    }
    deleted(gone);
    await eventually(async () => expect(await kept(gone)).toEqual(NOTHING), { timeoutMs: 60_000 });
  });
});

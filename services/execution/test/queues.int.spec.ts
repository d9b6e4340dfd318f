import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { subjects, operations } from '@batuta/contracts';
import type { ListPoolsReply, PoolView, QueuedView, RunnerBeat, Task } from '@batuta/contracts';
import { ensurePoolConsumers } from '@batuta/messaging';
import { eventually } from '@batuta/testing';
import { TENANT, executionId, startRequest } from './fixtures.js';
import { Platform } from './platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
  await platform.execution('queues');
});

afterAll(() => platform.end());

async function start(config: string): Promise<string> {
  const id = executionId();
  expect(await platform.command(startRequest(id, config))).toMatchObject({ accepted: { executionId: id } });
  return id;
}

async function queuedOf(id: string): Promise<(QueuedView | undefined)[]> {
  return (await platform.get(id))?.steps.map(({ queued }) => queued) ?? [];
}

async function pool(name: string): Promise<PoolView | undefined> {
  const reply = await platform.control.request<ListPoolsReply>(operations.pools.list.subject, { pools: [name] });
  return reply.pools[0];
}

function beat(slots: number, held: string[] = []): void {
  const message: RunnerBeat = {
    runnerId: 'worker-1',
    incarnation: 'run1',
    // Not open, so it gets no direct tasks.
    pools: [{ pool: 'default', free: slots - held.length, open: false, slots }],
    held,
    expiresMs: 20_000,
  };
  platform.connection.publish(subjects.runnerBeat('default'), JSON.stringify(message));
}

/** Takes the next task of the pool and does not finish it. */
function take(): Promise<Task> {
  const inbox = `_INBOX.take.${randomUUID()}`;
  const taken = new Promise<Task>((resolve) => {
    platform.connection.subscribe(inbox, {
      max: 1,
      callback: (_error, message) => resolve(message.json<Task>()),
    });
  });
  platform.connection.publish(
    `$JS.API.CONSUMER.MSG.NEXT.STEPS.${subjects.stepConsumer('default', 'normal')}`,
    JSON.stringify({ batch: 1, expires: 20_000_000_000 }),
    { reply: inbox },
  );
  return taken;
}

describe('a step whose task no worker has taken', () => {
  it('says since when it waits, in which pool, and how many workers were seen, and stops when one takes it', async () => {
    const id = await start('three');
    await eventually(
      async () => {
        const [first, second] = await queuedOf(id);
        // No worker has ever served the pool.
        expect(first).toMatchObject({ pool: 'default', workers: 0, slots: 0, backlog: 1 });
        expect(Math.abs(Date.now() - (first?.sinceAt ?? 0))).toBeLessThan(60_000);
        expect(second).toBeUndefined();
      },
      { timeoutMs: 120_000 },
    );
    await ensurePoolConsumers(platform.connection, 'default', { ackWaitMs: 60_000 });
    beat(8);
    await eventually(async () => expect((await queuedOf(id))[0]).toMatchObject({ workers: 1, slots: 8, backlog: 1 }), {
      timeoutMs: 120_000,
    });
    expect(await pool('default')).toEqual({ pool: 'default', workers: 1, slots: 8, free: 8, backlog: 1, taken: 0 });
    expect(
      await platform.control.request(operations.executions.step.subject, {
        tenantId: TENANT,
        executionId: id,
        stepId: 'a',
      }),
    ).toMatchObject({
      step: { stepId: 'a', queued: { pool: 'default', workers: 1 } },
    });

    const events = (await platform.events(id)).length;
    expect(await take()).toMatchObject({ executionId: id, stepId: 'a' });
    await eventually(async () => expect((await queuedOf(id))[0]).toBeUndefined(), { timeoutMs: 120_000 });
    expect((await platform.get(id))?.steps[0]?.status).toBe('running');
    expect(await pool('default')).toMatchObject({ backlog: 0, taken: 1 });
    // The log contains nothing about this.
    expect(await platform.events(id)).toHaveLength(events);
  });

  it('is not one that a worker holds by direct dispatch, wherever its task lies', async () => {
    const id = await start('three');
    await eventually(async () => expect((await queuedOf(id))[0]).toBeDefined(), { timeoutMs: 120_000 });
    beat(8, [`${id}/a/1`]);
    await eventually(async () => expect((await queuedOf(id))[0]).toBeUndefined(), { timeoutMs: 120_000 });
    expect(await pool('default')).toMatchObject({ workers: 1, slots: 8, free: 7 });
  });

  it('is told neither of an execution as it was, nor with a result', async () => {
    const id = await start('three');
    await eventually(async () => expect((await queuedOf(id))[0]).toBeDefined(), { timeoutMs: 120_000 });
    for (const more of [{ atVersion: 2 }, { payloads: 'result' }]) {
      const reply = await platform.control.request<{ execution: { steps: object[] } }>(
        operations.executions.get.subject,
        {
          tenantId: TENANT,
          executionId: id,
          ...more,
        },
      );
      expect(reply.execution.steps[0]).not.toHaveProperty('queued');
    }
  });
});

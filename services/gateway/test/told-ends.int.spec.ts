import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { subjects, operations } from '@batuta/contracts';
import type { FollowExecutions } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { startGatewayOn, startUnderTest } from './gateway-under-test.js';
import type { Answer, UnderTest } from './gateway-under-test.js';

interface Connections {
  readonly connections: readonly { readonly name?: string; readonly subscriptions_list?: readonly string[] }[];
}

describe('the end of an execution that a start waits for', () => {
  // A missed end would be found by the comparison. Here that is a minute later, so in effect never.
  const env = { BATUTA_GATEWAY_COMPARE_EVERY: '60s' };
  let under: UnderTest;

  const startOn = (gateway: Pick<UnderTest, 'call'>, key?: string): Promise<Answer> =>
    gateway.call('POST', '/api/v1/orchestrations/execute/greeting?wait=60s', {
      body: { input: { a: 1 } },
      ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }),
    });
  const subscriptions = async (): Promise<string[]> => {
    const answer = await fetch(`http://127.0.0.1:${under.nats.monitorPort}/connz?subs=1`);
    const { connections } = (await answer.json()) as Connections;
    return connections.flatMap(({ subscriptions_list: list = [] }) => list);
  };
  /** Subjects of execution events that gateways are subscribed to. */
  const followed = async (): Promise<string[]> =>
    (await subscriptions()).filter((subject) => subject.startsWith('batuta.event.'));
  const running = (count: number): Promise<string[]> =>
    eventually(() => under.fake.executions.size === count && [...under.fake.executions.keys()], {
      describe: `${count} executions run`,
    });
  const starts = (): number =>
    under.fake.asked.filter(({ pattern, data }) => pattern === 'command' && data['start'] !== undefined).length;
  const complete = (id: string, output: unknown, published = true): void =>
    void under.fake.appendAll(id, [['ExecutionCompleted', { output }]], published);

  beforeEach(async () => {
    under = await startUnderTest(env);
    under.fake.putConfig('greeting');
    under.fake.finishAtOnce = false;
  });
  afterEach(async () => {
    await under.close();
  });

  it('comes without a subscription to its events, and each of many starts gets its own', async () => {
    const waiting = Array.from({ length: 30 }, () => startOn(under));
    const ids = await running(30);
    expect(await followed()).toEqual([]);
    expect(new Set(under.fake.ends.values()).size).toBe(1);
    // Only the owner's report to the gateway itself.
    under.fake.deliver = () => undefined;
    for (const id of ids) complete(id, `output of ${id}`);
    for (const { status, body } of await Promise.all(waiting)) {
      expect(status).toBe(200);
      expect(body).toMatchObject({ status: 'completed', output: `output of ${String(body['execution_id'])}` });
    }
    expect(await followed()).toEqual([]);
  });

  it('comes when it is reported before the start is answered', async () => {
    under.fake.finishAtOnce = true;
    under.fake.deliver = () => undefined;
    const { status, body } = await startOn(under);
    expect([status, body['output']]).toEqual([200, { echoed: { a: 1 } }]);
  });

  it('comes although the gateway also gets reports that are unreadable or of unknown executions', async () => {
    const waiting = startOn(under);
    const [id = ''] = await running(1);
    const end = under.fake.ends.get(id) ?? '';
    expect(end).toMatch(/^batuta\.end\.\w+$/);
    under.fake.nats.publish(end, 'not JSON');
    under.fake.nats.publish(end, JSON.stringify({ executionId: 'another', tenantId: 'default', events: [] }));
    under.fake.nats.publish(end, JSON.stringify({ executionId: id, tenantId: 'default', events: [] }));
    complete(id, 'told');
    expect((await waiting).body).toMatchObject({ status: 'completed', output: 'told' });
  });

  it('comes when a new owner takes over that does not know where to report it', async () => {
    const waiting = startOn(under);
    const [id = ''] = await running(1);
    expect(await followed()).toEqual([]);
    under.fake.ends.clear();
    under.fake.nats.publish(subjects.taken, JSON.stringify({ partitions: [0] }));
    await eventually(async () => expect(await followed()).toEqual([subjects.event('default', id)]));
    complete(id, 'of the new owner');
    expect((await waiting).body).toMatchObject({ status: 'completed', output: 'of the new owner' });
    await eventually(async () => expect(await followed()).toEqual([]));
    // Later starts are reported again.
    const next = startOn(under);
    const [, second = ''] = await running(2);
    expect(await followed()).toEqual([]);
    complete(second, 'told');
    expect((await next).body).toMatchObject({ output: 'told' });
  });

  it('makes owners publish only the events of followed executions, also after a change of owners', async () => {
    const follows: string[][] = [];
    under.fake.nats.subscribe(subjects.follow, {
      callback: (_error, message) => {
        const { executionIds, forMs } = message.json<FollowExecutions>();
        expect(forMs).toBeGreaterThan(5_000);
        follows.push(executionIds);
      },
    });
    await under.fake.nats.flush();
    const waiting = startOn(under);
    const [id = ''] = await running(1);
    expect(follows).toEqual([]);
    const result = under.call('GET', `/api/v1/orchestrations/executions/${id}/result?wait=60s`);
    await eventually(() => expect(follows).toEqual([[id]]));
    under.fake.nats.publish(subjects.taken, JSON.stringify({ partitions: [0] }));
    await eventually(() => expect(follows.slice(0, 2)).toEqual([[id], [id]]));
    complete(id, 'followed');
    for (const { body } of await Promise.all([waiting, result])) expect(body).toMatchObject({ output: 'followed' });
  });

  it('is found when it came before its owner had heard that somebody listens', async () => {
    const waiting = startOn(under);
    const [id = ''] = await running(1);
    under.fake.ends.clear();
    const view = under.fake.handlers.get(operations.executions.get.subject) as (by: object) => object;
    under.fake.handlers.set(operations.executions.get.subject, (by: object) => {
      const shown = view(by);
      // The end comes right after the gateway has learned that the execution runs.
      if (under.fake.executions.get(id)?.events.length === 1) complete(id, 'unheard', false);
      return shown;
    });
    const result = under.call('GET', `/api/v1/orchestrations/executions/${id}/result?wait=60s`);
    expect((await result).body).toMatchObject({ output: 'unheard' });
    expect((await waiting).body).toMatchObject({ output: 'unheard' });
  });

  it('comes when it happened between two owners and was not reported', async () => {
    const waiting = startOn(under);
    const [id = ''] = await running(1);
    complete(id, 'unheard', false);
    under.fake.nats.publish(subjects.taken, JSON.stringify({ partitions: [0] }));
    expect((await waiting).body).toMatchObject({ status: 'completed', output: 'unheard' });
  });

  it('comes to two gateways when a start at one repeats a start at the other', async () => {
    const other = await startGatewayOn(under.nats, env);
    try {
      const first = startOn(under, 'order-1');
      const [id = ''] = await running(1);
      const told = under.fake.ends.get(id);
      const second = startOn(other, 'order-1');
      // Only the repeat needs the events.
      await eventually(async () => expect(await followed()).toEqual([subjects.event('default', id)]));
      expect(under.fake.executions.size).toBe(1);
      expect(under.fake.ends.get(id)).toBe(told);
      complete(id, 'for both');
      for (const { status, body } of await Promise.all([first, second])) {
        expect([status, body['execution_id'], body['output']]).toEqual([200, id, 'for both']);
      }
      // A repeat after the end is answered at once, and nobody subscribes.
      const late = await startOn(other, 'order-1');
      expect([late.status, late.body['output']]).toEqual([200, 'for both']);
      await eventually(async () => expect(await followed()).toEqual([]));
    } finally {
      await other.gateway.close();
    }
  });

  it('comes to a repeat although it happened while the repeat was running', async () => {
    const other = await startGatewayOn(under.nats, env);
    try {
      const first = startOn(under, 'order-2');
      const [id = ''] = await running(1);
      // The answer to the repeat says that it runs. Later events are published before anybody subscribes.
      under.fake.afterCommand = () => complete(id, 'unheard', false);
      expect((await startOn(other, 'order-2')).body).toMatchObject({ status: 'completed', output: 'unheard' });
      under.fake.nats.publish(subjects.taken, JSON.stringify({ partitions: [0] }));
      expect((await first).body).toMatchObject({ status: 'completed', output: 'unheard' });
    } finally {
      await other.gateway.close();
    }
  });

  it('comes to all requests that wait for the same execution at one gateway', async () => {
    const first = startOn(under, 'order-3');
    const [id = ''] = await running(1);
    const second = startOn(under, 'order-3');
    const result = under.call('GET', `/api/v1/orchestrations/executions/${id}/result?wait=60s`);
    await eventually(() => starts() === 2);
    await eventually(() => under.fake.count(operations.executions.get.subject) > 0);
    complete(id, 'for all');
    for (const { body } of await Promise.all([first, second, result])) {
      expect(body).toMatchObject({ status: 'completed', output: 'for all' });
    }
    await eventually(async () => expect(await followed()).toEqual([]));
  });
});

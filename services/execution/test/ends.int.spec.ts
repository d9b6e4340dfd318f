import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { headers as headerNames, partitionOf, subjects } from '@batuta/contracts';
import type { CommandReply, CommandRequest, EventsPublished } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { headers } from '@nats-io/transport-node';
import { executionId, startRequest } from './fixtures.js';
import { Platform } from './platform.js';

describe('the owner of an execution', () => {
  let platform: Platform;
  const told: { subject: string; message: EventsPublished }[] = [];
  const taken: number[] = [];

  const command = async (request: CommandRequest, end: string): Promise<CommandReply> => {
    const meta = headers();
    meta.set(headerNames.end, end);
    const subject = subjects.command(partitionOf(request.executionId, 8));
    const reply = await platform.connection.request(subject, JSON.stringify(request), {
      headers: meta,
      timeout: 30_000,
    });
    return reply.json<CommandReply>();
  };
  const of = (id: string) => told.filter(({ message }) => message.executionId === id);
  const completed = (id: string): Promise<unknown> =>
    eventually(async () => expect((await platform.get(id))?.status).toBe('completed'), { timeoutMs: 60_000 });

  beforeAll(async () => {
    platform = await Platform.start();
    for (const subject of ['batuta.end.*', 'elsewhere.>']) {
      platform.connection.subscribe(subject, {
        callback: (_error, message) =>
          void told.push({ subject: message.subject, message: message.json<EventsPublished>() }),
      });
    }
    platform.connection.subscribe(subjects.taken, {
      callback: (_error, message) => void taken.push(...message.json<{ partitions: number[] }>().partitions),
    });
    await platform.connection.flush();
    await platform.execution('one');
    await platform.run();
  });
  afterAll(() => platform.end());

  it('says which partitions it has taken', async () => {
    await eventually(() => expect(taken.toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]));
  });

  it('publishes the events of those executions that somebody follows', async () => {
    const events: string[] = [];
    platform.connection.subscribe('batuta.event.>', {
      callback: (_error, message) => {
        const { executionId: id, events: some } = message.json<EventsPublished>();
        events.push(...some.map(({ type }) => `${id} ${type}`));
      },
    });
    const [followed, other] = [executionId(), executionId()];
    platform.connection.publish(subjects.follow, 'no JSON');
    platform.connection.publish(subjects.follow, JSON.stringify({ executionIds: [followed], forMs: 60_000 }));
    platform.agent = () => 'succeed';
    for (const id of [other, followed]) {
      expect(await command(startRequest(id, 'three'), subjects.end('gateway1'))).toMatchObject({ accepted: {} });
      await completed(id);
    }
    await eventually(() => expect(events).toContain(`${followed} ExecutionCompleted`));
    expect(events).toContain(`${followed} ExecutionStarted`);
    expect(events.filter((event) => event.startsWith(other))).toEqual([]);
  });

  it('publishes no events of one that its config keeps out of live feeds, and tells its end to who started it', async () => {
    const heard: string[] = [];
    const feed = platform.connection.subscribe('batuta.event.>', {
      callback: (_error, message) => void heard.push(message.json<EventsPublished>().executionId),
    });
    platform.agent = () => 'succeed';
    const [hidden, shown] = [executionId(), executionId()];
    platform.connection.publish(subjects.follow, JSON.stringify({ executionIds: [hidden, shown], forMs: 60_000 }));
    expect(await command(startRequest(hidden, 'unmonitored'), subjects.end('gateway1'))).toMatchObject({
      accepted: { enableMonitoring: false },
    });
    await completed(hidden);
    const started = await command(startRequest(shown, 'three'), subjects.end('gateway1'));
    expect(started.accepted).not.toHaveProperty('enableMonitoring');
    await completed(shown);
    await eventually(() => expect(heard).toContain(shown));
    expect(heard).not.toContain(hidden);
    await eventually(() => expect(of(hidden)).toHaveLength(1));
    expect(await platform.get(hidden)).toMatchObject({ enableMonitoring: false });
    feed.unsubscribe();
  });

  it('tells its end, and nothing else of it, once and to the subject that the start named', async () => {
    platform.agent = () => undefined;
    const id = executionId();
    const request = startRequest(id, 'three');
    expect(await command(request, subjects.end('gateway1'))).toMatchObject({ accepted: { status: 'running' } });
    // The same start through another gateway: the first gateway is still informed.
    expect(await command(request, subjects.end('gateway2'))).toMatchObject({ accepted: { repeated: true } });
    const task = await eventually(() => platform.tasks.find((item) => item.executionId === id) ?? false);
    expect(of(id)).toEqual([]);
    platform.agent = () => 'succeed';
    await platform.report(task, 'succeed');
    await completed(id);
    await eventually(() => of(id).length > 0);
    expect(of(id)).toMatchObject([
      {
        subject: subjects.end('gateway1'),
        message: { tenantId: 'default', events: [{ executionId: id, version: 8, type: 'ExecutionCompleted' }] },
      },
    ]);
  });

  it('tells nobody when the start names no subject for ends', async () => {
    const names = ['elsewhere.subject', 'batuta.end.', 'batuta.end.a.b', 'batuta.end.*', 'batuta.end.>'];
    const ids = await Promise.all(
      names.map(async (name) => {
        const id = executionId();
        expect(await command(startRequest(id, 'three'), name)).toMatchObject({ accepted: {} });
        return id;
      }),
    );
    await Promise.all(ids.map(completed));
    // An owner's messages keep their order, so after this end none of the earlier ones is in transit.
    const last = executionId();
    await command(startRequest(last, 'three'), subjects.end('last'));
    await eventually(() => of(last).length === 1);
    expect(ids.flatMap(of)).toEqual([]);
  });
});

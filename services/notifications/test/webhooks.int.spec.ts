import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { operations } from '@batuta/contracts';
import type { CallbackReply, DeliveryReply, ListDeliveriesReply, RotateSecretReply } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { Webhook } from 'standardwebhooks';
import { principal, Receiver, startUnderTest } from './harness.js';
import type { Received, UnderTest } from './harness.js';

let test: UnderTest;
let receiver: Receiver;

beforeAll(async () => {
  test = await startUnderTest();
  await test.start({ BATUTA_NOTIFICATIONS_RETRY_MAX: '2s' });
});

beforeEach(async () => {
  await receiver?.close();
  receiver = await Receiver.start();
});

afterAll(async () => {
  await receiver?.close();
  await test?.close();
});

const who = principal();

async function create(body: object): Promise<{ id: string; secret: string }> {
  const reply = await test.client.request<CallbackReply>(operations.callbacks.create.subject, {
    principal: who,
    body: { type: 'webhook', ...body },
  });
  if (reply.callback === undefined) throw new Error(JSON.stringify(reply.refused));
  return { id: reply.callback.id, secret: reply.secret ?? '' };
}

const deliveries = (executionId: string) =>
  test.client
    .request<ListDeliveriesReply>(operations.deliveries.deliveries.subject, { principal: who, executionId })
    .then((reply) => reply.deliveries);

const delivered = (executionId: string, count: number) =>
  eventually(
    async () => {
      const found = await deliveries(executionId);
      expect(found.filter(({ status }) => status === 'delivered')).toHaveLength(count);
      return found;
    },
    { timeoutMs: 60_000 },
  );

const verified = (secret: string, { body, headers }: Received): unknown =>
  new Webhook(secret).verify(body, headers as Record<string, string>);

describe('webhooks', () => {
  it('tells a config’s callback about the events it asked for, in order, signed, and nothing else', async () => {
    const configId = test.engine.addConfig();
    const { secret } = await create({
      config_id: configId,
      events: ['started', 'paused', 'completed'],
      callback_url: `${receiver.url}/hook`,
      callback_headers: { 'X-Team': 'checkout', Authorization: 'Bearer s3cret' },
    });
    const execution = test.engine.start(configId);
    test.engine.tell(execution, 'step_failed');
    test.engine.tell(execution, 'paused');
    test.engine.tell(execution, 'completed');
    await delivered(execution, 3);
    const bodies = receiver.received.map(
      (one) => verified(secret, one) as { type: string; data: { output?: unknown } },
    );
    expect(bodies.map(({ type }) => type)).toEqual(['execution.started', 'execution.paused', 'execution.completed']);
    expect(bodies[2]?.data).toMatchObject({ execution_id: execution, config_name: 'incident', output: { answer: 42 } });
    expect(receiver.received[0]?.headers).toMatchObject({ 'x-team': 'checkout', authorization: 'Bearer s3cret' });
  });

  it('tells of an approval that is asked for, with all that a template needs to ask a person', async () => {
    const configId = test.engine.addConfig();
    await create({
      config_id: configId,
      events: ['approval_requested'],
      callback_url: `${receiver.url}/plain`,
    });
    await create({
      config_id: configId,
      events: ['approval_requested', 'completed'],
      callback_url: `${receiver.url}/template`,
      callback_body_template:
        '{{ event.data.step_id }}|{{ event.data.message }}|{{ event.data.deadline_at }}|{{ event.data.approvers | join: "," }}',
    });
    const execution = test.engine.start(configId);
    test.engine.tell(execution, 'approval_requested', { deadlineAt: Date.UTC(2025, 0, 31, 12) });
    await delivered(execution, 2);
    const bodies = new Map(receiver.received.map(({ path, body }) => [path, body]));
    expect(JSON.parse(bodies.get('/plain') ?? '')).toMatchObject({
      type: 'approval.requested',
      data: {
        execution_id: execution,
        step_id: 'a',
        message: 'May it go out?',
        deadline_at: '2025-01-31T12:00:00.000Z',
        approvers: ['grace'],
      },
    });
    expect(bodies.get('/template')).toBe('a|May it go out?|2025-01-31T12:00:00.000Z|grace');
  });

  it('retries with the same id and a fresh timestamp, and keeps every attempt', async () => {
    const execution = test.engine.addConfig();
    const { secret } = await create({
      config_id: execution,
      events: ['completed'],
      callback_url: `${receiver.url}/flaky`,
      max_retries: 5,
    });
    // Timestamps are whole seconds: a second between the attempts makes a fresh one differ.
    receiver.answer = (_, count) =>
      count < 3 ? { status: 503, body: 'not now', headers: { 'retry-after': '1' } } : { status: 204 };
    const id = test.engine.start(execution);
    test.engine.tell(id, 'completed');
    const [delivery] = await delivered(id, 1);
    expect(receiver.received).toHaveLength(3);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([delivery?.id]));
    for (const one of receiver.received) verified(secret, one);
    const times = receiver.received.map(({ headers }) => Number(headers['webhook-timestamp']));
    expect(times[1]).toBeGreaterThan(times[0] ?? Infinity);
    expect(times[2]).toBeGreaterThan(times[1] ?? Infinity);
    const { delivery: full } = await test.client.request<DeliveryReply>(operations.deliveries.delivery.subject, {
      principal: who,
      id: delivery?.id,
    });
    expect(full).toMatchObject({ status: 'delivered', retryCount: 2, responseStatus: 204 });
    expect(full?.attempts?.map(({ outcome, responseStatus }) => [outcome, responseStatus])).toEqual([
      ['failed', 503],
      ['failed', 503],
      ['succeeded', 204],
    ]);
    expect(full?.attempts?.every(({ durationMs }) => (durationMs ?? 0) > 0)).toBe(true);
  });

  it('keeps the order of an execution while its first event is retried', async () => {
    const configId = test.engine.addConfig();
    await create({
      config_id: configId,
      events: ['started', 'paused', 'completed'],
      callback_url: `${receiver.url}/o`,
    });
    receiver.answer = (_, count) => ({ status: count <= 2 ? 500 : 200 });
    const execution = test.engine.start(configId);
    test.engine.tell(execution, 'paused');
    test.engine.tell(execution, 'completed');
    await delivered(execution, 3);
    expect(receiver.received.map(({ body }) => (JSON.parse(body) as { type: string }).type)).toEqual([
      'execution.started',
      'execution.started',
      'execution.started',
      'execution.paused',
      'execution.completed',
    ]);
  });

  it('calls the short form callback_url once an execution has ended, signed with the tenant’s secret', async () => {
    const rotated = await test.client.request<RotateSecretReply>(operations.callbacks.rotate.subject, {
      principal: who,
    });
    const configId = test.engine.addConfig();
    const execution = test.engine.start(configId, { callbackUrl: `${receiver.url}/short` });
    test.engine.tell(execution, 'paused');
    test.engine.tell(execution, 'failed');
    await delivered(execution, 1);
    expect(receiver.received).toHaveLength(1);
    expect(verified(rotated.secret ?? '', receiver.received[0]!)).toMatchObject({ type: 'execution.failed' });
  });

  it('signs with both secrets while one is rotated, and never with a third', async () => {
    const configId = test.engine.addConfig();
    const { id, secret: first } = await create({
      config_id: configId,
      events: ['completed'],
      callback_url: `${receiver.url}/rotate`,
    });
    const rotate = () =>
      test.client.request<RotateSecretReply>(operations.callbacks.rotate.subject, { principal: who, callbackId: id });
    const second = await rotate();
    expect(second.previousExpiresAt).toBeGreaterThan(Date.now());
    const one = test.engine.start(configId);
    test.engine.tell(one, 'completed');
    await delivered(one, 1);
    verified(first, receiver.received[0]!);
    verified(second.secret ?? '', receiver.received[0]!);
    const third = await rotate();
    const two = test.engine.start(configId);
    test.engine.tell(two, 'completed');
    await delivered(two, 1);
    verified(third.secret ?? '', receiver.received[1]!);
    verified(second.secret ?? '', receiver.received[1]!);
    expect(() => verified(first, receiver.received[1]!)).toThrow('No matching signature found');
  });

  it('renders the body from the template', async () => {
    const configId = test.engine.addConfig();
    await create({
      config_id: configId,
      events: ['completed'],
      callback_url: `${receiver.url}/t`,
      callback_method: 'PUT',
      callback_body_template: '{"text": {{ execution.config_name | json }}, "answer": {{ event.data.output.answer }}}',
    });
    const execution = test.engine.start(configId);
    test.engine.tell(execution, 'completed');
    await delivered(execution, 1);
    expect(receiver.received[0]?.method).toBe('PUT');
    expect(JSON.parse(receiver.received[0]!.body)).toEqual({ text: 'incident', answer: 42 });
  });

  it('makes a dead letter when retries are used up, and sends it again on request with the same id', async () => {
    const configId = test.engine.addConfig();
    await create({ config_id: configId, events: ['completed'], callback_url: `${receiver.url}/dead`, max_retries: 1 });
    receiver.answer = () => ({ status: 500, body: 'x'.repeat(200_000) });
    const execution = test.engine.start(configId);
    test.engine.tell(execution, 'completed');
    const dead = await eventually(async () => {
      const reply = await test.client.request<ListDeliveriesReply>(operations.deliveries.deliveries.subject, {
        principal: who,
        executionId: execution,
        deadLetter: true,
      });
      expect(reply.deliveries).toHaveLength(1);
      return reply.deliveries[0]!;
    });
    expect(dead).toMatchObject({ status: 'failed', retryCount: 1, responseStatus: 500, error: 'answered with 500' });
    expect(dead.responseBody).toHaveLength(4096);
    const stranger = await test.client.request<DeliveryReply>(operations.deliveries.redrive.subject, {
      principal: principal('other'),
      id: dead.id,
    });
    expect(stranger.refused?.code).toBe('not_found');
    receiver.answer = () => ({ status: 200 });
    await test.client.request<DeliveryReply>(operations.deliveries.redrive.subject, { principal: who, id: dead.id });
    await delivered(execution, 1);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([dead.id]));
    const again = await test.client.request<DeliveryReply>(operations.deliveries.redrive.subject, {
      principal: who,
      id: dead.id,
    });
    expect(again.refused?.code).toBe('conflict');
  });

  it('disables a callback whose destination answers with 410, until it is enabled again', async () => {
    const configId = test.engine.addConfig();
    const { id } = await create({
      config_id: configId,
      events: ['started', 'completed'],
      callback_url: `${receiver.url}/gone`,
    });
    receiver.answer = () => ({ status: 410 });
    const execution = test.engine.start(configId);
    test.engine.tell(execution, 'completed');
    await eventually(async () => {
      const { callback } = await test.client.request<CallbackReply>(operations.callbacks.get.subject, {
        principal: who,
        id,
      });
      expect(callback?.enabled).toBe(false);
      const rows = await deliveries(execution);
      expect(rows.every(({ deadLetter }) => deadLetter)).toBe(true);
    });
    expect(receiver.received).toHaveLength(1);
    receiver.answer = () => ({ status: 200 });
    await test.client.request(operations.callbacks.enable.subject, { principal: who, id });
    const next = test.engine.start(configId);
    await delivered(next, 1);
  });

  it('reads no more than 64 KiB of an answer that never ends', async () => {
    const configId = test.engine.addConfig();
    let offered = 0;
    const hungUp = new Promise<void>((resolve) => {
      const endless = createServer((request, response) => {
        request.resume();
        response.writeHead(200, { 'content-type': 'text/plain' });
        const more = (): void => {
          // As much as the connection takes: what the client does not read stays in buffers of a bounded size.
          while (!response.destroyed && response.write('x'.repeat(16 * 1024))) offered += 16 * 1024;
        };
        response.on('drain', more);
        response.on('close', () => endless.close(() => resolve()));
        more();
      });
      endless.listen(0, '127.0.0.1', () => {
        const url = `http://127.0.0.1:${(endless.address() as AddressInfo).port}/endless`;
        void create({ config_id: configId, events: ['completed'], callback_url: url }).then(() => {
          test.engine.tell(test.engine.start(configId), 'completed');
        });
      });
    });
    await hungUp;
    // The rest is what the kernel's buffers of both ends hold.
    expect(offered).toBeLessThan(16 * 1024 * 1024);
    await eventually(async () => {
      const rows = await test.rows<{ status: string; response_body: string }>(
        `SELECT status, response_body FROM notifications.orchestration_callbacks WHERE callback_url LIKE '%/endless'`,
      );
      expect(rows).toEqual([{ status: 'delivered', response_body: 'x'.repeat(4096) }]);
    });
  });

  it('does not follow redirects', async () => {
    const configId = test.engine.addConfig();
    await create({ config_id: configId, events: ['completed'], callback_url: `${receiver.url}/from`, max_retries: 0 });
    receiver.answer = () => ({ status: 302, headers: { location: `${receiver.url}/to` } });
    const execution = test.engine.start(configId);
    test.engine.tell(execution, 'completed');
    await eventually(async () => {
      const [row] = await deliveries(execution);
      expect(row).toMatchObject({ status: 'failed', responseStatus: 302 });
    });
    expect(receiver.at('/to')).toEqual([]);
  });

  it('tells nobody about another tenant’s executions', async () => {
    const mine = test.engine.addConfig('default');
    const theirs = test.engine.addConfig('other');
    await create({ config_id: mine, events: ['completed'], callback_url: `${receiver.url}/mine` });
    const refused = await test.client.request<CallbackReply>(operations.callbacks.create.subject, {
      principal: who,
      body: { type: 'webhook', config_id: theirs, events: ['completed'], callback_url: receiver.url },
    });
    expect(refused.refused?.violations).toEqual([
      expect.objectContaining({ path: '/config_id', code: 'unknown_config' }),
    ]);
    const other = test.engine.start(theirs);
    test.engine.tell(other, 'completed');
    const own = test.engine.start(mine);
    test.engine.tell(own, 'completed');
    await delivered(own, 1);
    expect(receiver.received).toHaveLength(1);
  });
});

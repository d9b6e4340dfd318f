import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { subjects, operations } from '@batuta/contracts';
import type {
  AckInboxRequest,
  Callback,
  CallbackDelivery,
  CreateCallbackRequest,
  InboxNotification,
  ListInboxRequest,
} from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { WebSocket } from 'ws';
import { KEYS } from './fake-platform.js';
import { startUnderTest } from './gateway-under-test.js';
import type { UnderTest } from './gateway-under-test.js';

let under: UnderTest;
/** The fake user's inbox: notifications that are not acknowledged. */
let inbox: InboxNotification[];
let sockets: WebSocket[];

const callback: Callback = {
  id: '01944f2c-0000-7000-8000-00000000000a',
  tenantId: 'default',
  configId: '01944f2c-0000-7000-8000-000000000001',
  events: ['completed'],
  channel: { type: 'webhook', callback_url: 'https://example.org/x', callback_method: 'POST' },
  fallback: [],
  enabled: true,
  createdBy: 'ada',
  createdAt: 1_700_000_000_000,
  updatedAt: 1_700_000_000_000,
};
const delivery: CallbackDelivery = {
  id: '01944f2c-0000-7000-8000-00000000000b',
  executionId: '01944f2c-0000-7000-8000-000000000002',
  callbackType: 'webhook',
  callbackUrl: 'https://example.org/x',
  status: 'failed',
  retryCount: 2,
  maxRetries: 2,
  createdAt: 1_700_000_000_000,
  eventType: 'completed',
  eventVersion: 7,
  channel: 0,
  deadLetter: true,
  attempts: [{ attempt: 1, startedAt: 1_700_000_000_500, outcome: 'failed', durationMs: 12, responseStatus: 500 }],
};

const notification = (n: number): InboxNotification => ({
  id: `01944f2c-0000-7000-8000-${String(n).padStart(12, '0')}`,
  executionId: '01944f2c-0000-7000-8000-000000000002',
  eventType: 'completed',
  content: { type: 'execution.completed', number: n },
  createdAt: 1_700_000_000_000 + n,
});

beforeEach(async () => {
  under = await startUnderTest();
  inbox = [];
  sockets = [];
  const { handlers } = under.fake;
  handlers.set(operations.notifications.list.subject, (({ limit = 100, afterId }: ListInboxRequest) => {
    const left = inbox.filter(({ id }) => afterId === undefined || id > afterId);
    return { notifications: left.slice(0, limit), more: left.length > limit };
  }) as never);
  handlers.set(operations.notifications.acknowledge.subject, (({ ids }: AckInboxRequest) => {
    const mine = inbox.filter(({ id }) => ids.includes(id)).map(({ id }) => id);
    inbox = inbox.filter(({ id }) => !ids.includes(id));
    return { ids: mine };
  }) as never);
});

afterEach(async () => {
  for (const socket of sockets) socket.terminate();
  await under.close();
});

type Message = Record<string, unknown> & { type: string; id?: string };

async function connect(): Promise<{ socket: WebSocket; messages: Message[]; closed: Promise<number> }> {
  const socket = new WebSocket(`${under.gateway.url.replace('http', 'ws')}/ws/notifications`, {
    headers: { authorization: `Bearer ${KEYS.viewer}` },
  });
  sockets.push(socket);
  const messages: Message[] = [];
  socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString()) as Message));
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  return { socket, messages, closed };
}

const publish = (one: InboxNotification | undefined): void => {
  const { principal } = under.fake.asked.findLast(({ pattern }) => pattern === operations.notifications.list.subject)!
    .data as unknown as ListInboxRequest;
  under.fake.nats.publish(
    subjects.inbox(principal.tenantId, principal.userId),
    JSON.stringify(one === undefined ? {} : { notification: one }),
  );
};

describe('callbacks over REST', () => {
  it('are made by operators, who see the secret once, and are shown as they were written', async () => {
    const asked: CreateCallbackRequest[] = [];
    under.fake.handlers.set(operations.callbacks.create.subject, ((request: CreateCallbackRequest) => {
      asked.push(request);
      return { callback, secret: 'whsec_c2VjcmV0' };
    }) as never);
    const body = {
      config_id: callback.configId,
      type: 'webhook',
      events: ['completed'],
      callback_url: 'https://example.org/x',
    };
    const denied = await under.call('POST', '/api/v1/orchestrations/callbacks', { key: KEYS.viewer, body });
    expect(denied.status).toBe(403);
    const made = await under.call('POST', '/api/v1/orchestrations/callbacks', { body });
    expect(made.status).toBe(201);
    expect(made.body).toEqual({
      ...body,
      id: callback.id,
      tenant_id: 'default',
      callback_method: 'POST',
      fallback: [],
      enabled: true,
      created_by: 'ada',
      created_at: '2023-11-14T22:13:20.000Z',
      updated_at: '2023-11-14T22:13:20.000Z',
      secret: 'whsec_c2VjcmV0',
    });
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({ principal: { tenantId: 'default', role: 'operator' }, body });
  });

  it('pass on every mistake with its path', async () => {
    under.fake.handlers.set(operations.callbacks.create.subject, (() => ({
      refused: {
        code: 'validation_failed',
        message: 'The callback has one mistake.',
        violations: [{ path: '/events', code: 'required', message: 'must be a list' }],
      },
    })) as never);
    const answer = await under.call('POST', '/api/v1/orchestrations/callbacks', { body: {} });
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toEqual([{ path: '/events', code: 'required', message: 'must be a list' }]);
  });

  it('show deliveries, their attempts and dead letters, and send dead letters again', async () => {
    const { handlers } = under.fake;
    handlers.set(operations.deliveries.deliveries.subject, (({ deadLetter }: { deadLetter?: boolean }) => ({
      deliveries: deadLetter === true ? [delivery] : [],
      nextCursor: 'next',
    })) as never);
    handlers.set(operations.deliveries.delivery.subject, (() => ({ delivery })) as never);
    handlers.set(operations.deliveries.redrive.subject, (() => ({
      refused: { code: 'conflict', message: 'The delivery is no dead letter.' },
    })) as never);
    const base = '/api/v1/orchestrations/callbacks';
    expect((await under.call('GET', `${base}/deliveries?status=failed&status=sent`)).body).toEqual({
      deliveries: [],
      next_cursor: 'next',
    });
    const dead = (await under.call('GET', `${base}/dead-letters`)).body['deliveries'] as Record<string, unknown>[];
    expect(dead[0]).toMatchObject({ id: delivery.id, dead_letter: true, event_type: 'completed' });
    const one = await under.call('GET', `${base}/deliveries/${delivery.id}`);
    expect(one.body['attempts']).toEqual([
      { attempt: 1, started_at: '2023-11-14T22:13:20.500Z', outcome: 'failed', duration_ms: 12, response_status: 500 },
    ]);
    expect((await under.call('POST', `${base}/deliveries/${delivery.id}/redrive`)).status).toBe(409);
    expect((await under.call('GET', `${base}/deliveries?status=lost`)).status).toBe(400);
  });

  it('are documented, each route with its schema', async () => {
    const document = (await under.call('GET', '/docs-json', { key: null })).body as unknown as {
      paths: Record<string, Record<string, unknown>>;
      components: { schemas: Record<string, unknown> };
    };
    const documented = Object.entries(document.paths)
      .filter(([path]) => /callbacks|notifications/.test(path))
      .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path.replace('/api/v1', '')}`));
    expect(documented.toSorted()).toEqual([
      'delete /orchestrations/callbacks/{id}',
      'get /notifications',
      'get /orchestrations/callbacks',
      'get /orchestrations/callbacks/dead-letters',
      'get /orchestrations/callbacks/deliveries',
      'get /orchestrations/callbacks/deliveries/{id}',
      'get /orchestrations/callbacks/{id}',
      'post /notifications/ack',
      'post /orchestrations/callbacks',
      'post /orchestrations/callbacks/deliveries/{id}/redrive',
      'post /orchestrations/callbacks/secret/rotate',
      'post /orchestrations/callbacks/{id}/enable',
      'post /orchestrations/callbacks/{id}/secret/rotate',
    ]);
    const wanted = new Set(
      [...JSON.stringify(document.paths).matchAll(/#\/components\/schemas\/(\w+)/g)].map(([, name]) => name),
    );
    expect([...wanted].filter((name) => document.components.schemas[name ?? ''] === undefined)).toEqual([]);
  });
});

describe('/ws/notifications', () => {
  it('sends open notifications, then new ones, and repeats them at the next connect until they are acknowledged', async () => {
    inbox = [notification(1), notification(2)];
    const first = await connect();
    await eventually(() => first.messages.length === 2);
    expect(first.messages[0]).toEqual({
      type: 'notification',
      id: notification(1).id,
      execution_id: notification(1).executionId,
      event_type: 'completed',
      content: { type: 'execution.completed', number: 1 },
      created_at: '2023-11-14T22:13:20.001Z',
    });
    inbox.push(notification(3));
    publish(notification(3));
    publish(notification(3));
    await eventually(() => first.messages.length === 3);
    first.socket.send(JSON.stringify({ type: 'ack', ids: [notification(1).id, notification(3).id, 'another'] }));
    await eventually(() => first.messages.length === 4);
    expect(first.messages[3]).toEqual({ type: 'acked', ids: [notification(1).id, notification(3).id] });
    first.socket.close();
    await first.closed;
    const second = await connect();
    await eventually(() => second.messages.length === 1);
    expect(second.messages[0]?.id).toBe(notification(2).id);
  });

  it('lists the inbox when a notice is too large to hold the notification', async () => {
    const { messages } = await connect();
    await eventually(() => under.fake.count(operations.notifications.list.subject) === 1);
    inbox.push(notification(1));
    publish(undefined);
    await eventually(() => messages.length === 1);
    expect(messages[0]?.id).toBe(notification(1).id);
  });

  it('sends a limited number of open notifications, and the rest when the client acknowledges', async () => {
    inbox = Array.from({ length: 1_500 }, (_, index) => notification(index + 1));
    const { socket, messages } = await connect();
    await eventually(() => messages.length === 1_000, { timeoutMs: 60_000 });
    socket.send(JSON.stringify({ type: 'ack', ids: messages.map(({ id }) => id) }));
    await eventually(() => messages.filter(({ type }) => type === 'notification').length === 1_500, {
      timeoutMs: 60_000,
    });
    const ids = messages.filter(({ type }) => type === 'notification').map(({ id }) => id);
    expect(ids).toEqual(ids.toSorted());
    expect(new Set(ids).size).toBe(1_500);
  });

  it.each([
    ['no JSON', 'hello'],
    ['another type', '{"type":"nack","ids":["a"]}'],
    ['ids that are no texts', '{"type":"ack","ids":[1]}'],
  ])('says what is wrong with %s and closes', async (_, text) => {
    const { socket, messages, closed } = await connect();
    socket.send(text);
    const code = await closed;
    expect(code).toBeGreaterThanOrEqual(4400);
    expect(messages.at(-1)).toMatchObject({ type: 'error', problem: { status: code - 4000 } });
  });
});

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually, seeded } from '@batuta/testing';
import type { EventsPublished } from '@batuta/contracts';
import { WebSocket } from 'ws';
import { KEYS } from './fake-platform.js';
import { startUnderTest } from './gateway-under-test.js';
import type { UnderTest } from './gateway-under-test.js';
import { uuidV7 } from '../src/http/ids.js';

const ORIGIN = 'https://console.example';

interface Received {
  readonly version?: number;
  readonly type: string;
  readonly [field: string]: unknown;
}

/** A WebSocket client that stores what it receives. */
class Client {
  readonly received: Received[] = [];
  readonly ws: WebSocket;
  /** The close code, or the HTTP answer to the upgrade. */
  readonly ended: Promise<{ code: number; reason: string }>;
  refused: { status: number; body: Record<string, unknown> } | undefined;

  constructor(url: string, options: { key?: string | null; protocols?: string[]; origin?: string } = {}) {
    const key = options.key === undefined ? KEYS.operator : options.key;
    this.ws = new WebSocket(url.replace(/^http/, 'ws'), options.protocols ?? [], {
      headers: key === null ? {} : { authorization: `Bearer ${key}` },
      ...(options.origin === undefined ? {} : { origin: options.origin }),
    });
    this.ws.on('message', (data: Buffer) => this.received.push(JSON.parse(data.toString()) as Received));
    this.ws.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      this.ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
      this.ws.on('unexpected-response', (_request, response) => {
        let text = '';
        response.on('data', (part: Buffer) => (text += part.toString()));
        response.on('end', () => {
          this.refused = { status: response.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> };
          resolve({ code: response.statusCode ?? 0, reason: '' });
        });
      });
    });
  }

  get versions(): (number | undefined)[] {
    return this.received.map(({ version }) => version);
  }
}

const upTo = (last: number, first = 1): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe('WebSockets', () => {
  let under: UnderTest;
  beforeEach(async () => {
    under = await startUnderTest({
      BATUTA_GATEWAY_SOCKET_BUFFER: '64KiB',
      BATUTA_GATEWAY_KEY_CACHE: '0',
      BATUTA_GATEWAY_CORS_ORIGINS: ORIGIN,
    });
    under.fake.putConfig('greeting');
  });
  afterEach(async () => {
    await under.close();
  });

  const monitor = (id: string, query = '', options: ConstructorParameters<typeof Client>[1] = {}): Client =>
    new Client(`${under.gateway.url}/ws/executions/${id}/monitor${query}`, options);

  it('are opened by pages of its own origin and of configured ones, and refused to others', async () => {
    const id = uuidV7();
    under.fake.seed(id, 'default', 3);
    for (const origin of [
      'https://evil.example',
      'https://console.example.evil.example',
      'http://console.example',
      'null',
      `${under.gateway.url}1`,
    ]) {
      const client = monitor(id, '', { origin });
      expect([origin, (await client.ended).code]).toEqual([origin, 403]);
      expect(client.refused?.body).toMatchObject({
        code: 'forbidden',
        detail: expect.stringContaining('BATUTA_GATEWAY_CORS_ORIGINS'),
      });
    }
    for (const origin of [ORIGIN, under.gateway.url]) {
      const client = monitor(id, '', { origin });
      await eventually(() => client.received.length === 3);
      client.ws.terminate();
    }
  });

  it('sends the past events, then live ones, and closes with 1000 after the last', async () => {
    const id = uuidV7();
    under.fake.seed(id, 'default', 1200);
    const client = monitor(id);
    await eventually(() => client.received.length === 1200);
    under.fake.append(id, 'StepScheduled', { stepId: 'x', attempt: 1 });
    under.fake.append(id, 'ExecutionCompleted', { output: { ok: true } });
    expect(await client.ended).toEqual({ code: 1000, reason: 'the execution has ended' });
    expect(client.versions).toEqual(upTo(1202));
    expect(client.received.at(-1)).toEqual({
      execution_id: id,
      version: 1202,
      type: 'ExecutionCompleted',
      at: expect.any(String),
      data: { output: { ok: true } },
    });
  });

  it('begins at from_version, also far behind or past the end', async () => {
    const id = uuidV7();
    under.fake.seed(id, 'default', 10);
    const late = monitor(id, '?from_version=8');
    const future = monitor(id, '?from_version=13');
    await eventually(() => late.received.length === 3);
    for (let step = 0; step < 3; step += 1) under.fake.append(id, 'StepScheduled', { stepId: 'x', attempt: 1 });
    await eventually(() => future.received.length === 1);
    under.fake.append(id, 'ExecutionFailed', {
      failure: { code: 'timeout', message: 'm', retryable: false, trace: 'secret' },
    });
    expect((await late.ended).code).toBe(1000);
    expect((await future.ended).code).toBe(1000);
    expect(late.versions).toEqual(upTo(14, 8));
    expect(future.versions).toEqual([13, 14]);
    expect(JSON.stringify(late.received)).not.toContain('secret');
    const after = monitor(id, '?from_version=15');
    expect(await after.ended).toEqual({ code: 1000, reason: 'the execution has ended' });
    expect(after.received).toEqual([]);
  });

  it('shows no gap and no duplicate when messages are lost, doubled and reordered', async () => {
    const random = seeded();
    const held: EventsPublished[] = [];
    under.fake.deliver = (message, publish) => {
      const fate = random.integer(0, 5);
      if (fate === 0) return;
      if (fate === 1) {
        held.push(message);
        return;
      }
      publish(message);
      if (fate === 2) publish(message);
      if (held.length > 0 && random.integer(0, 1) === 0) {
        publish(held.splice(random.integer(0, held.length - 1), 1)[0] as EventsPublished);
      }
      if (fate === 3) publish({ ...message, events: [...message.events].reverse() });
    };
    const ids = Array.from({ length: 5 }, () => uuidV7());
    for (const id of ids) under.fake.seed(id);
    const clients = ids.flatMap((id) =>
      [monitor(id), monitor(id), monitor(id, '?from_version=40')].map((client) => ({ id, client })),
    );
    const total = 120;
    for (let version = 2; version < total; version += 1) {
      for (const id of ids) under.fake.append(id, 'StepScheduled', { stepId: `s${version}`, attempt: 1 });
      if (version % 7 === 0) {
        const id = ids[random.integer(0, ids.length - 1)] as string;
        clients.push({ id, client: monitor(id, `?from_version=${random.integer(1, version)}`) });
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    for (const id of ids) under.fake.append(id, 'ExecutionCompleted', { output: 1 });
    for (const { client } of clients) {
      expect((await client.ended).code).toBe(1000);
      const first = client.versions[0] ?? 0;
      expect(client.versions).toEqual(upTo(total, first));
    }
    expect(clients.filter(({ client }) => client.versions[0] === 1).length).toBeGreaterThanOrEqual(10);
  });

  it('reads events from the log that were published without their payload', async () => {
    const id = uuidV7();
    under.fake.seed(id);
    const client = monitor(id);
    await eventually(() => client.received.length === 1);
    under.fake.deliver = (message, publish) =>
      publish({
        ...message,
        withoutPayload: true,
        events: message.events.map((event) => ({ ...event, data: {} }) as never),
      });
    under.fake.append(id, 'ExecutionCompleted', { output: 'large' });
    await client.ended;
    expect(client.received.at(-1)).toMatchObject({ version: 2, data: { output: 'large' } });
  });

  it('makes one subscription for all followers of an execution and ends it with the last', async () => {
    const id = uuidV7();
    under.fake.seed(id, 'default', 3);
    const gauge = async (): Promise<string | undefined> =>
      /^batuta_gateway_watched_executions (\d+)/m.exec((await under.call('GET', '/metrics', { key: null })).text)?.[1];
    const clients = [monitor(id), monitor(id), monitor(id)];
    await eventually(() => clients.every(({ received }) => received.length === 3));
    expect(await gauge()).toBe('1');
    for (const { ws } of clients) ws.close();
    await eventually(async () => (await gauge()) === '0');
  });

  it('runs an execution: the first message starts it, its events follow, then the result', async () => {
    const client = new Client(`${under.gateway.url}/api/v1/orchestrations/ws/execute/greeting`);
    client.ws.once('open', () => client.ws.send('{"input":{"n":1}}'));
    expect((await client.ended).code).toBe(1000);
    expect(client.received.map(({ type }) => type)).toEqual(['ExecutionStarted', 'ExecutionCompleted', 'result']);
    const [id] = [...under.fake.executions.keys()];
    expect(client.received.at(-1)).toMatchObject({
      execution_id: id,
      status: 'completed',
      output: { echoed: { n: 1 } },
    });
  });

  it.each([
    ['{"input":', 4400, 'malformed_json'],
    ['{"input":{"__proto__":1}}', 4400, 'forbidden_key'],
    ['{"inputs":1}', 4400, 'validation_failed'],
    ['{"callback_url":"https://user:pw@hooks.example/"}', 4400, 'validation_failed'],
  ])('refuses the first message %s and starts nothing', async (message, code, problem) => {
    const client = new Client(`${under.gateway.url}/api/v1/orchestrations/ws/execute/greeting`);
    client.ws.once('open', () => client.ws.send(message));
    expect((await client.ended).code).toBe(code);
    expect(client.received).toEqual([{ type: 'error', problem: expect.objectContaining({ code: problem }) }]);
    expect(under.fake.executions.size).toBe(0);
  });

  it('refuses messages that are too large with 1009', async () => {
    const id = uuidV7();
    under.fake.seed(id);
    const client = monitor(id);
    client.ws.once('open', () => client.ws.send('x'.repeat(2000)));
    expect((await client.ended).code).toBe(1009);
  });

  it('answers wrong keys, unknown executions and wrong queries in the HTTP upgrade', async () => {
    const id = uuidV7();
    under.fake.seed(id);
    const cases: [Client, number, string][] = [
      [monitor(id, '', { key: null }), 401, 'unauthenticated'],
      [monitor(id, '', { key: 'wrong-key-wrong' }), 401, 'unauthenticated'],
      [monitor(id, '', { key: KEYS.stranger }), 404, 'not_found'],
      [monitor(uuidV7()), 404, 'not_found'],
      [monitor('none'), 404, 'not_found'],
      [monitor(id, '?from_version=0'), 400, 'validation_failed'],
      [monitor(id, `?key=${KEYS.operator}`), 400, 'validation_failed'],
      [new Client(`${under.gateway.url}/ws/else`), 404, 'not_found'],
      [
        new Client(`${under.gateway.url}/api/v1/orchestrations/ws/execute/greeting`, { key: KEYS.viewer }),
        403,
        'forbidden',
      ],
    ];
    for (const [client, status, code] of cases) {
      await client.ended;
      expect(client.refused).toEqual({ status, body: expect.objectContaining({ status, code }) });
    }
  });

  it('answers 404 to another tenant even while the execution is watched', async () => {
    const id = uuidV7();
    under.fake.seed(id, 'default', 2);
    const own = monitor(id);
    await eventually(() => own.received.length === 2);
    const stranger = monitor(id, '', { key: KEYS.stranger });
    await stranger.ended;
    expect(stranger.refused?.status).toBe(404);
  });

  it('takes the key from a subprotocol, for browsers', async () => {
    const id = uuidV7();
    under.fake.seed(id, 'default', 2);
    const client = monitor(id, '', { key: null, protocols: ['batuta.v1', `batuta.bearer.${KEYS.viewer}`] });
    await eventually(() => client.received.length === 2);
    expect(client.ws.protocol).toBe('batuta.v1');
    client.ws.close();
    const wrong = monitor(id, '', { key: null, protocols: ['batuta.v1', 'batuta.bearer.wrong-wrong-wrong'] });
    await wrong.ended;
    expect(wrong.refused?.status).toBe(401);
  });

  it('closes a client that does not read with 4008 and continues to serve the others', async () => {
    const id = uuidV7();
    under.fake.seed(id);
    const slow = monitor(id);
    const quick = monitor(id);
    await eventually(() => slow.received.length === 1 && quick.received.length === 1);
    slow.ws.pause();
    const padding = 'x'.repeat(60_000);
    let sent = 1;
    const slowClosed = async (): Promise<boolean> =>
      /^batuta_gateway_websocket_slow_clients_total [1-9]/m.test(
        (await under.call('GET', '/metrics', { key: null })).text,
      );
    // The size of the kernel's buffers differs by system, so write until the gateway closes the client.
    await eventually(
      async () => {
        for (let times = 0; times < 20; times += 1) {
          under.fake.append(id, 'StepCompleted', { stepId: 's', attempt: 1, output: padding });
          sent += 1;
          await eventually(() => quick.received.length === sent);
        }
        return slowClosed();
      },
      { timeoutMs: 60_000 },
    );
    slow.ws.resume();
    expect((await slow.ended).code).toBe(4008);
    expect(slow.versions).toEqual(upTo(slow.received.length));
    expect(slow.received.length).toBeLessThan(sent);
    // It continues where it was.
    const back = monitor(id, `?from_version=${slow.received.length + 1}`);
    await eventually(() => back.versions.at(-1) === sent);
    expect(back.versions).toEqual(upTo(sent, slow.received.length + 1));
    expect(quick.versions).toEqual(upTo(sent));
  });

  it('closes the sockets of a key that was revoked with 4401', async () => {
    const id = uuidV7();
    under.fake.seed(id);
    const viewer = monitor(id, '', { key: KEYS.viewer });
    const operator = monitor(id);
    await eventually(() => viewer.received.length === 1 && operator.received.length === 1);
    under.fake.revoked.add(KEYS.viewer);
    under.fake.changed('key');
    expect((await viewer.ended).code).toBe(4401);
    expect(operator.ws.readyState).toBe(WebSocket.OPEN);
  });

  it('receives events again after a restart of nats-server', async () => {
    const id = uuidV7();
    under.fake.seed(id);
    const client = monitor(id);
    await eventually(() => client.received.length === 1);
    await under.nats.kill();
    under.fake.appendAll(id, [['StepScheduled', { stepId: 'unheard', attempt: 1 }]], false);
    await under.nats.start();
    await eventually(() => client.received.length === 2, { timeoutMs: 60_000 });
    await eventually(() => under.fake.nats.rtt().then(() => true));
    under.fake.append(id, 'ExecutionCompleted', { output: 1 });
    expect((await client.ended).code).toBe(1000);
    expect(client.versions).toEqual([1, 2, 3]);
  });

  it('closes its clients with 1001 when it stops, and lets requests finish', async () => {
    const id = uuidV7();
    under.fake.seed(id);
    under.fake.finishAtOnce = false;
    const client = monitor(id);
    await eventually(() => client.received.length === 1);
    const waiting = under.call('POST', '/api/v1/orchestrations/execute/greeting?wait=60s', { body: {} });
    await eventually(() => under.fake.executions.size === 2);
    const closing = under.gateway.close();
    expect((await client.ended).code).toBe(1001);
    expect((await waiting).status).toBe(202);
    await closing;
  });

  it('ends when the last running request is answered, because its connection is not kept alive', async () => {
    under.fake.finishAtOnce = false;
    let answer: () => void = () => undefined;
    under.fake.holdCommands = new Promise((resolve) => {
      answer = resolve;
    });
    const waiting = under.call('POST', '/api/v1/orchestrations/execute/greeting', { body: {} });
    await eventually(() => under.fake.executions.size === 1);
    const closing = under.gateway.close();
    await eventually(
      () =>
        fetch(`${under.gateway.url}/health/live`).then(
          () => false,
          () => true,
        ),
      { describe: 'the gateway listens no more' },
    );
    answer();
    expect((await waiting).status).toBe(202);
    // A connection that is kept alive would delay the gateway longer than a test may take.
    await closing;
  });
});

describe('many WebSockets', () => {
  it('serves 1,000 clients on 10 executions, each with every event once and in order', async () => {
    const under = await startUnderTest();
    try {
      const ids = Array.from({ length: 10 }, () => uuidV7());
      for (const id of ids) under.fake.seed(id, 'default', 20);
      const clients = Array.from(
        { length: 1000 },
        (_, index) => new Client(`${under.gateway.url}/ws/executions/${ids[index % ids.length] ?? ''}/monitor`),
      );
      await eventually(() => clients.every(({ received }) => received.length === 20), { timeoutMs: 240_000 });
      const asked = under.fake.count('batuta.execution.query.events');
      for (let round = 0; round < 10; round += 1) {
        for (const id of ids) under.fake.append(id, 'StepScheduled', { stepId: `r${round}`, attempt: 1 });
      }
      for (const id of ids) under.fake.append(id, 'ExecutionCompleted', { output: 1 });
      for (const client of clients) {
        expect((await client.ended).code).toBe(1000);
        expect(client.versions).toEqual(upTo(31));
      }
      // Late clients were served from memory and live ones from messages, so the log was read about once for each
      // execution.
      expect(under.fake.count('batuta.execution.query.events')).toBe(asked);
      expect(asked).toBeLessThanOrEqual(3 * ids.length);
    } finally {
      await under.close();
    }
  }, 300_000);
});

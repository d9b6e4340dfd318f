import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import WebSocket from 'ws';
import { Api, expectStatus } from '../support/api.js';
import { Cluster } from '../support/cluster.js';

const BASE = '/api/v1/orchestrations';

interface Notification {
  readonly type: string;
  readonly id: string;
  readonly execution_id: string;
}

/** The signature as Standard Webhooks defines it, without its library. */
function signatureOf(secret: string, headers: IncomingHttpHeaders, body: string): string {
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  return `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
}

describe('callbacks, through the whole platform', () => {
  let cluster: Cluster;
  let api: Api;
  let server: Server;
  let hook: string;
  const received: { headers: IncomingHttpHeaders; body: string }[] = [];

  beforeAll(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString('utf8');
      });
      request.on('end', () => {
        received.push({ headers: request.headers, body });
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    hook = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
    cluster = await Cluster.start({
      instances: { notifications: 1 },
      env: { BATUTA_NOTIFICATIONS_ALLOWED_ADDRESSES: '127.0.0.1' },
    });
    api = cluster.api();
  }, 120_000);

  afterAll(async () => {
    await cluster?.stop();
    server?.closeAllConnections();
    await new Promise((resolve) => server?.close(resolve));
  }, 60_000);

  it('tell a signed webhook and an inbox about a real execution, exactly as it ended', async () => {
    const config = expectStatus(
      await api.post<{ id: string }>(`${BASE}/configs`, {
        name: 'told',
        strategy: 'sequential',
        steps: [{ id: 'only', name: 'Only', agent: 'echo' }],
      }),
      201,
    );
    const { secret } = expectStatus(
      await api.post<{ secret: string }>(`${BASE}/callbacks`, {
        config_id: config.id,
        type: 'webhook',
        events: ['started', 'completed'],
        callback_url: hook,
      }),
      201,
    );
    expectStatus(
      await api.post(`${BASE}/callbacks`, { config_id: config.id, type: 'websocket', events: ['completed'] }),
      201,
    );
    const socket = new WebSocket(`${api.url.replace('http', 'ws')}/ws/notifications`, {
      headers: { authorization: `Bearer ${api.key}` },
    });
    const messages: Notification[] = [];
    socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString('utf8')) as Notification));
    try {
      await new Promise((resolve, reject) => {
        socket.once('open', resolve);
        socket.once('error', reject);
      });
      const { execution_id: id } = expectStatus(
        await api.post<{ execution_id: string }>(`${BASE}/execute/told?wait=30s`, { input: { n: 1 } }),
        200,
      );
      await eventually(() => received.length === 2 && messages.length === 1, { timeoutMs: 15_000 });
      for (const { headers, body } of received)
        expect(headers['webhook-signature']).toBe(signatureOf(secret, headers, body));
      const told = received.map(({ body }) => JSON.parse(body) as { type: string; data: object });
      expect(told.map(({ type }) => type)).toEqual(['execution.started', 'execution.completed']);
      expect(told[1]?.data).toMatchObject({ execution_id: id, config_name: 'told', output: { n: 1 } });
      expect(messages[0]).toMatchObject({ type: 'notification', execution_id: id });
      socket.send(JSON.stringify({ type: 'ack', ids: [messages[0]?.id] }));
      await eventually(() => messages.length === 2);
      const left = expectStatus(await api.get<{ notifications: object[] }>('/api/v1/notifications'), 200);
      expect(left.notifications).toEqual([]);
      const { deliveries } = expectStatus(
        await api.get<{ deliveries: { status: string }[] }>(`${BASE}/callbacks/deliveries?execution_id=${id}`),
        200,
      );
      expect(deliveries.map(({ status }) => status)).toEqual(['delivered', 'delivered', 'delivered']);
    } finally {
      socket.terminate();
    }
  }, 60_000);
});

import { createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import WebSocket from 'ws';
import { Api, expectStatus } from '../support/api.js';
import { CalledServer } from '../support/called-server.js';
import { Cluster } from '../support/cluster.js';

const BASE = '/api/v1/orchestrations';

interface Notification {
  readonly type: string;
  readonly id: string;
  readonly execution_id: string;
}

/** The signature as Standard Webhooks defines it, computed without its library. */
function signatureOf(secret: string, headers: IncomingHttpHeaders, body: string): string {
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  return `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
}

describe('callbacks, through the whole platform', () => {
  let cluster: Cluster;
  let api: Api;
  const called = new CalledServer();
  let base: string;
  let hook: string;
  const received = () => called.to('/hook');

  beforeAll(async () => {
    base = await called.start();
    hook = `${base}/hook`;
    cluster = await Cluster.start({
      instances: { notifications: 1 },
      env: {
        BATUTA_NOTIFICATIONS_ALLOWED_ADDRESSES: '127.0.0.1',
        BATUTA_RUNNER_ALLOWED_ADDRESSES: '127.0.0.1',
        // An attempt that is lost with its process is repeated soon.
        BATUTA_NOTIFICATIONS_ATTEMPT_TIMEOUT: '2s',
        BATUTA_NOTIFICATIONS_LEASE: '3s',
        BATUTA_NOTIFICATIONS_RETRY_BASE: '100ms',
      },
    });
    api = cluster.api();
  }, 300_000);

  afterAll(async () => {
    await cluster?.stop();
    await called.stop();
  }, 300_000);

  it('notify a signed webhook and an inbox about the end of a real execution', async () => {
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
      await eventually(() => received().length === 2 && messages.length === 1, { timeoutMs: 60_000 });
      for (const { headers, body } of received()) {
        expect(headers['webhook-signature']).toBe(signatureOf(secret, headers, body));
      }
      const told = received().map(({ body }) => JSON.parse(body) as { type: string; data: object });
      expect(told.map(({ type }) => type)).toEqual(['execution.started', 'execution.completed']);
      expect(told[1]?.data).toMatchObject({ execution_id: id, config_name: 'told', output: { n: 1 } });
      expect(messages[0]).toMatchObject({ type: 'notification', execution_id: id });
      socket.send(JSON.stringify({ type: 'ack', ids: [messages[0]?.id] }));
      await eventually(() => messages.length === 2);
      const left = expectStatus(await api.get<{ notifications: object[] }>('/api/v1/notifications'), 200);
      expect(left.notifications).toEqual([]);
      // A delivery is recorded as done after its receiver has got it.
      await eventually(
        async () => {
          const { deliveries } = expectStatus(
            await api.get<{ deliveries: { status: string }[] }>(`${BASE}/callbacks/deliveries?execution_id=${id}`),
            200,
          );
          expect(deliveries.map(({ status }) => status)).toEqual(['delivered', 'delivered', 'delivered']);
          return true;
        },
        { timeoutMs: 60_000, describe: 'all three are delivered' },
      );
    } finally {
      socket.terminate();
    }
  }, 300_000);

  it('report each end of an execution that is retried after a failure', async () => {
    expectStatus(
      await api.post(`${BASE}/configs`, {
        name: 'failing',
        strategy: 'sequential',
        steps: [{ id: 'fails', name: 'Fails', agent: 'fail', input: { retryable: false } }],
      }),
      201,
    );
    const { execution_id: id } = expectStatus(
      await api.post<{ execution_id: string }>(`${BASE}/execute/failing`, { callback_url: hook }),
      202,
    );
    const ids = (): unknown[] =>
      received()
        .filter(({ body }) => body.includes(id))
        .map(({ headers }) => headers['webhook-id']);
    await eventually(() => ids().length === 1, { timeoutMs: 60_000 });
    expectStatus(await api.post(`${BASE}/executions/${id}/retry`, {}), 200);
    await eventually(() => ids().length === 2, { timeoutMs: 60_000 });
    expect(new Set(ids()).size).toBe(2);
    const { deliveries } = expectStatus(
      await api.get<{ deliveries: { status: string; event_type: string }[] }>(
        `${BASE}/callbacks/deliveries?execution_id=${id}`,
      ),
      200,
    );
    expect(deliveries.map(({ event_type: type }) => type)).toEqual(['failed', 'failed']);
  }, 300_000);

  it('report an exceeded budget, counted across a kill of the engine, and show it to watchers', async () => {
    const { id: configId } = expectStatus(
      await api.post<{ id: string }>(`${BASE}/configs`, {
        name: 'thrifty',
        strategy: 'sequential',
        steps: [
          { id: 'draft', name: 'Draft', agent: 'echo', input: { _tokens: 60, _cost: 0.1 } },
          { id: 'wait', name: 'Wait', agent: 'http', input: { url: `${base}/held` }, retry: { max_attempts: 5 } },
          {
            id: 'revise',
            name: 'Revise',
            agent: 'fail',
            input: { _tokens: 50, times: 1 },
            retry: { max_attempts: 3, backoff_ms: 600_000 },
          },
          { id: 'publish', name: 'Publish', agent: 'echo' },
        ],
        settings: { budget: { max_tokens: 1000, max_cost: 5 } },
      }),
      201,
    );
    expectStatus(
      await api.post(`${BASE}/callbacks`, {
        config_id: configId,
        type: 'webhook',
        events: ['budget_exceeded', 'failed'],
        callback_url: hook,
      }),
      201,
    );
    const execute = (budget: object) => api.post<{ execution_id: string }>(`${BASE}/execute/thrifty`, { budget });
    const { execution_id: id } = expectStatus(await execute({ max_tokens: 100 }), 202);
    const socket = new WebSocket(
      `${cluster.process('gateway').url.replace('http', 'ws')}/ws/executions/${id}/monitor`,
      {
        headers: { authorization: `Bearer ${api.key}` },
      },
    );
    const watched: { type: string; data: unknown }[] = [];
    socket.on('message', (data: Buffer) => watched.push(JSON.parse(data.toString('utf8')) as (typeof watched)[number]));
    try {
      await eventually(() => called.to('/held').length > 0, { timeoutMs: 60_000, describe: 'the second step runs' });
      const engine = cluster.process('execution');
      await engine.end('SIGKILL');
      called.release();
      await engine.start();
      const told = (): { type: string; data: Record<string, unknown> }[] =>
        received()
          .filter(({ body }) => body.includes(id))
          .map(({ body }) => JSON.parse(body) as { type: string; data: Record<string, unknown> });
      await eventually(() => told().length === 2, { timeoutMs: 45_000, describe: 'both callbacks' });
      const exceeded = { resource: 'tokens', limit: 100, spent: 110 };
      expect(told()).toMatchObject([
        { type: 'execution.budget_exceeded', data: { execution_id: id, ...exceeded } },
        { type: 'execution.failed', data: { failure: { code: 'budget_exceeded', details: exceeded } } },
      ]);
      const shown = expectStatus(await api.get<{ steps: unknown[] }>(`${BASE}/executions/${id}`), 200);
      expect(shown).toMatchObject({
        status: 'failed',
        token_count: 110,
        budget: { max_tokens: 100, max_cost: 5, spent_tokens: 110, spent_cost: 0.1, exceeded },
      });
      expect(shown.steps[3]).toMatchObject({ status: 'skipped', skip_reason: 'not_reached' });
      expect((await api.get(`${BASE}/executions/${id}/result`)).body).toMatchObject({ budget: { exceeded } });
      await eventually(() => watched.some(({ type }) => type === 'ExecutionFailed'), { timeoutMs: 60_000 });
      expect(watched.find(({ type }) => type === 'BudgetExceeded')?.data).toEqual(exceeded);
      const metrics = await (await fetch(`${cluster.process('execution').url}/metrics`)).text();
      expect(metrics).toMatch(/^batuta_budgets_exceeded_total\{resource="tokens"\} 1$/m);

      // A retry is a consent: earlier spending does not count, and the failed step succeeds now.
      expectStatus(await api.post(`${BASE}/executions/${id}/retry`, {}), 200);
      await eventually(
        async () =>
          expect((await api.get(`${BASE}/executions/${id}`)).body).toMatchObject({
            status: 'completed',
            budget: { spent_tokens: 50 },
            token_count: 160,
          }),
        { timeoutMs: 60_000 },
      );
    } finally {
      socket.terminate();
    }
  }, 300_000);

  it('reach their receiver in order, with one id each, although every process and server is killed meanwhile', async () => {
    const config = expectStatus(
      await api.post<{ id: string }>(`${BASE}/configs`, {
        name: 'shaken',
        strategy: 'sequential',
        steps: [{ id: 'only', name: 'Only', agent: 'echo' }],
      }),
      201,
    );
    expectStatus(
      await api.post(`${BASE}/callbacks`, {
        config_id: config.id,
        type: 'webhook',
        events: ['started', 'completed'],
        callback_url: hook,
      }),
      201,
    );
    const ids: string[] = [];
    const start = async (): Promise<void> => {
      const { execution_id: id } = expectStatus(
        await api.post<{ execution_id: string }>(`${BASE}/execute/shaken`, {}),
        202,
      );
      ids.push(id);
    };
    const { postgres, nats } = cluster;
    const crashes = [
      async () => {
        await cluster.process('notifications').end('SIGKILL');
        await start();
        await cluster.process('notifications').start();
      },
      async () => {
        await nats.kill();
        await nats.start();
      },
      async () => {
        await postgres.kill();
        await postgres.start();
      },
      async () => {
        await cluster.process('execution').end('SIGKILL');
        await cluster.process('execution').start();
      },
    ];
    for (const crash of crashes) {
      await start();
      await start();
      await crash();
      // The gateway works again.
      await eventually(async () => expectStatus(await api.get(`${BASE}/configs/shaken`), 200), { timeoutMs: 60_000 });
    }
    const toldOf = (id: string): { id: string; type: string }[] =>
      received()
        .filter(({ body }) => body.includes(id))
        .map(({ headers, body }) => ({
          id: String(headers['webhook-id']),
          type: (JSON.parse(body) as { type: string }).type,
        }));
    await eventually(
      () => {
        for (const id of ids) expect(toldOf(id).at(-1)?.type).toBe('execution.completed');
      },
      { timeoutMs: 90_000, describe: 'every execution is told to its end' },
    );
    for (const id of ids) {
      // An attempt whose outcome could not be recorded is repeated with the same id. The order stays correct.
      const told = [...new Map(toldOf(id).map((one) => [one.id, one.type])).values()];
      expect(told).toEqual(['execution.started', 'execution.completed']);
      const { deliveries } = expectStatus(
        await api.get<{ deliveries: { status: string }[] }>(`${BASE}/callbacks/deliveries?execution_id=${id}`),
        200,
      );
      expect(deliveries).toHaveLength(2);
    }
  }, 300_000);
});

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import { WebSocket } from 'ws';
import { expectStatus } from '../support/api.js';
import type { Answer, Api } from '../support/api.js';
import { ROOT } from '../support/command.js';
import { LocalPlatform } from '../support/local-platform.js';
import { Orchestrations, stepOf } from '../support/orchestration.js';

const BASE = '/api/v1/orchestrations';

/** A request and its body. `other`: the body of another request to the same path. */
interface Post {
  readonly path: string;
  readonly body?: object;
  readonly other: object;
}

/** Fields of an answer that change as time goes on. */
const MOVING = new Set([
  'status',
  'version',
  'running',
  'waiting',
  'counts',
  'last',
  'next',
  'next_at',
  'last_at',
  'updated_at',
  'execution_status',
  'started_at',
  'completed_at',
  'output',
  'tasks',
  'child',
  'steps',
  'attempts',
]);

const { paths } = JSON.parse(readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8')) as {
  paths: Record<string, Record<string, unknown>>;
};
const everyPost = Object.entries(paths).flatMap(([path, item]) => (item['post'] === undefined ? [] : [path]));

describe('an Idempotency-Key', () => {
  let platform: LocalPlatform;
  let api: Api;
  let run: Orchestrations;
  let configId: string;
  const archive = mkdtempSync(join(tmpdir(), 'batuta-once-'));

  beforeAll(async () => {
    platform = await LocalPlatform.start({
      BATUTA_ARCHIVE_URL: pathToFileURL(archive).href,
      BATUTA_EXECUTION_RETENTION_EVERY: '200ms',
    });
    api = platform.admin();
    run = new Orchestrations(api);
    const made = await api.post<{ id: string }>(`${BASE}/configs`, {
      name: 'asks',
      strategy: 'sequential',
      steps: [
        { id: 'before', name: 'Before', agent: 'echo', compensate: { agent: 'echo' } },
        {
          id: 'asked',
          name: 'Asked',
          approval: { message: 'Go on?', timeout_ms: 3_600_000 },
          dependencies: ['before'],
        },
        { id: 'after', name: 'After', agent: 'echo', dependencies: ['asked'] },
      ],
    });
    configId = expectStatus(made, 201).id;
    await run.save({
      name: 'fails',
      strategy: 'sequential',
      steps: [{ id: 'a', name: 'A', agent: 'fail', input: { retryable: false } }],
    });
    await run.save({
      name: 'signalled',
      strategy: 'sequential',
      steps: [{ id: 'w', name: 'W', signal: { name: 'go' } }],
    });
    expectStatus(await api.call('PUT', '/api/v1/agents/served', { pool: 'own-workers' }), 201);
  }, 300_000);

  afterAll(async () => {
    await platform?.stop();
    rmSync(archive, { recursive: true, force: true });
  }, 300_000);

  /** Starts an execution that waits for a human. */
  const waiting = async (): Promise<string> => {
    const id = await run.start('asks');
    await eventually(async () => stepOf(await run.get(id), 'asked').status === 'running', { timeoutMs: 60_000 });
    return id;
  };
  const told = { body: { reason: 'one' }, other: { reason: 'two' } } as const;
  const command =
    (name: string, ready: () => Promise<string>, bodies: Pick<Post, 'body' | 'other'> = told) =>
    async (): Promise<Post> => ({ path: `${BASE}/executions/${await ready()}/${name}`, ...bodies });
  const terminated = async (): Promise<string> => {
    const id = await waiting();
    expect(await run.command(id, 'terminate')).toMatchObject({ http: 200 });
    return id;
  };
  const archived = async (): Promise<string> => {
    const steps = [{ id: 'a', name: 'A', agent: 'echo' }];
    const config = { name: 'archived', strategy: 'sequential', steps };
    const { id: config_id } = expectStatus(await api.post<{ id: string }>(`${BASE}/configs`, config), 201);
    const id = await run.start('archived');
    await run.ended(id);
    const policy = { config_id, older_than_ms: 0, action: 'archive' };
    expectStatus(await api.call('PUT', '/api/v1/retention-policies/at_once', policy), 201);
    await eventually(async () => expect((await api.get(`${BASE}/executions/${id}`)).status).toBe(410), {
      timeoutMs: 60_000,
    });
    return id;
  };
  const callback = async (more: object = {}): Promise<string> => {
    const body = { config_id: configId, type: 'websocket', events: ['started'], ...more };
    return expectStatus(await api.post<{ id: string }>(`${BASE}/callbacks`, body), 201).id;
  };
  const scheduleCommand =
    (name: string, bodies: Pick<Post, 'body' | 'other'>, paused = false) =>
    async (): Promise<Post> => {
      const body = { name: `to ${name}`, config: 'asks', timetable: { cron: '0 3 * * *' } };
      const { id } = expectStatus(await api.post<{ id: string }>('/api/v1/schedules', body), 201);
      if (paused) expectStatus(await api.post(`/api/v1/schedules/${id}/pause`, {}), 200);
      return { path: `/api/v1/schedules/${id}/${name}`, ...bodies };
    };
  const taskCommand = (name: string, bodies: Pick<Post, 'body' | 'other'>) => async (): Promise<Post> => {
    const body = { task_id: `to ${name}`, task_data: { type: 'asks' }, scheduled_time: '2030-01-01T00:00:00Z' };
    expectStatus(await api.post('/api/v1/tasks', body), 202);
    return { path: `/api/v1/tasks/${encodeURIComponent(`to ${name}`)}/${name}`, ...bodies };
  };
  /** Commands to something that was made, after those that come before. */
  const workCommand =
    (path: string, make: (name: string) => object) =>
    (name: string, bodies: Pick<Post, 'body' | 'other'>, ...before: readonly string[]) =>
    async (): Promise<Post> => {
      const { id } = expectStatus(await api.post<{ id: string }>(path, make(`to_${name}`)), 201);
      for (const each of before) {
        const { status } = await api.post(`${path}/${id}/${each}`, {});
        expect(status).toBeLessThan(300);
      }
      return { path: `${path}/${id}/${name}`, ...bodies };
    };
  const workflowCommand = workCommand('/api/v1/workflows', (name) => ({ name, tasks: [{ type: 'asks' }] }));
  const processCommand = workCommand('/api/v1/processes', (id) => ({
    id,
    steps: [{ id: 'a', type: 'task', task_data: { type: 'asks' } }],
  }));
  const decided = { body: { comment: 'one' }, other: { comment: 'two' } } as const;

  const prepare: Readonly<Record<string, () => Promise<Post>>> = {
    [`${BASE}/configs`]: () => {
      const body = { name: 'made', strategy: 'parallel', steps: [{ id: 'a', name: 'A', agent: 'echo' }] };
      return Promise.resolve({ path: `${BASE}/configs`, body, other: { ...body, description: 'another' } });
    },
    [`${BASE}/configs/{id}/restore`]: async () => {
      const body = { name: 'restored', strategy: 'parallel', steps: [{ id: 'a', name: 'A', agent: 'echo' }] };
      const { id } = expectStatus(await api.post<{ id: string }>(`${BASE}/configs`, body), 201);
      expectStatus(await api.call('DELETE', `${BASE}/configs/${id}`), 200);
      return { path: `${BASE}/configs/${id}/restore`, other: { some: 'body' } };
    },
    [`${BASE}/execute/{config_id}`]: () =>
      Promise.resolve({ path: `${BASE}/execute/asks`, body: { input: { n: 1 } }, other: { input: { n: 2 } } }),
    [`${BASE}/executions/{id}/pause`]: command('pause', waiting),
    [`${BASE}/executions/{id}/resume`]: command('resume', async () => {
      const id = await waiting();
      expect(await run.command(id, 'pause')).toMatchObject({ http: 200 });
      return id;
    }),
    [`${BASE}/executions/{id}/cancel`]: command('cancel', waiting),
    [`${BASE}/executions/{id}/terminate`]: command('terminate', waiting),
    [`${BASE}/executions/{id}/retry`]: command('retry', terminated),
    [`${BASE}/executions/{id}/compensate`]: command('compensate', terminated),
    [`${BASE}/executions/{id}/restore`]: command('restore', archived),
    [`${BASE}/executions/{id}/steps/{step_id}/skip`]: command('steps/asked/skip', waiting),
    [`${BASE}/executions/{id}/steps/{step_id}/approve`]: command('steps/asked/approve', waiting, decided),
    [`${BASE}/executions/{id}/steps/{step_id}/reject`]: command('steps/asked/reject', waiting, decided),
    [`${BASE}/executions/{id}/signals/{name}`]: command('signals/go', () => run.start('signalled'), {
      body: { payload: 1 },
      other: { payload: 2 },
    }),
    [`${BASE}/executions/{id}/fork`]: command('fork', waiting, {
      body: { from_step_id: 'before' },
      other: { from_step_id: 'before', input: { another: true } },
    }),
    '/api/v1/knowledge/documents': () =>
      Promise.resolve({
        path: '/api/v1/knowledge/documents',
        body: { source: 'a.md', content: 'one' },
        other: { source: 'a.md', content: 'two' },
      }),
    '/api/v1/api-keys': () =>
      Promise.resolve({
        path: '/api/v1/api-keys',
        body: { user_id: 'ada', role: 'viewer', tenant_id: 'another' },
        other: { user_id: 'ada', role: 'operator', tenant_id: 'another' },
      }),
    [`${BASE}/callbacks`]: () => {
      const body = {
        config_id: configId,
        type: 'webhook',
        events: ['completed'],
        callback_url: 'https://example.org/hook',
      };
      return Promise.resolve({ path: `${BASE}/callbacks`, body, other: { ...body, events: ['failed'] } });
    },
    [`${BASE}/callbacks/deliveries/{id}/redrive`]: async () => {
      // A callback to loopback is refused permanently, so the first attempt makes it a dead letter.
      const { execution_id: about } = expectStatus(
        await api.post<{ execution_id: string }>(`${BASE}/execute/fails`, { callback_url: 'http://127.0.0.1:9/' }),
        202,
      );
      const letters = `${BASE}/callbacks/dead-letters?execution_id=${about}`;
      const [dead] = await eventually(
        async () => {
          const { deliveries } = expectStatus(await api.get<{ deliveries: { id: string }[] }>(letters), 200);
          return deliveries.length > 0 && deliveries;
        },
        { timeoutMs: 60_000, describe: 'the delivery is a dead letter' },
      );
      return { path: `${BASE}/callbacks/deliveries/${dead?.id ?? ''}/redrive`, other: { some: 'body' } };
    },
    '/api/v1/schedules': () => {
      const body = { name: 'made once', config: 'asks', timetable: { cron: '0 3 * * *' } };
      return Promise.resolve({ path: '/api/v1/schedules', body, other: { ...body, name: 'another' } });
    },
    '/api/v1/schedules/{id}/pause': scheduleCommand('pause', told),
    '/api/v1/schedules/{id}/resume': scheduleCommand('resume', told, true),
    '/api/v1/schedules/{id}/trigger': scheduleCommand('trigger', { body: {}, other: { overlap: 'allow' } }),
    '/api/v1/schedules/{id}/backfill': scheduleCommand('backfill', {
      body: { from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' },
      other: { from: '2026-01-01T00:00:00Z', to: '2026-01-03T00:00:00Z' },
    }),
    '/api/v1/tasks': () => {
      const body = { task_data: { type: 'asks', n: 1 } };
      return Promise.resolve({ path: '/api/v1/tasks', body, other: { ...body, priority: 2 } });
    },
    '/api/v1/tasks/{task_id}/reschedule': taskCommand('reschedule', {
      body: { scheduled_time: '2031-01-01T00:00:00Z' },
      other: { scheduled_time: '2032-01-01T00:00:00Z' },
    }),
    '/api/v1/tasks/{task_id}/cancel': taskCommand('cancel', told),
    '/api/v1/workflows': () => {
      const body = { name: 'made once', tasks: [{ type: 'asks' }] };
      return Promise.resolve({ path: '/api/v1/workflows', body, other: { ...body, name: 'another' } });
    },
    '/api/v1/workflows/{id}/start': workflowCommand('start', { body: { input: 1 }, other: { input: 2 } }),
    '/api/v1/workflows/{id}/pause': workflowCommand('pause', told, 'start'),
    '/api/v1/workflows/{id}/resume': workflowCommand('resume', told, 'start', 'pause'),
    '/api/v1/processes': () => {
      const body = { id: 'made_once', steps: [{ id: 'a', type: 'task', task_data: { type: 'asks' } }] };
      return Promise.resolve({ path: '/api/v1/processes', body, other: { ...body, id: 'another' } });
    },
    '/api/v1/processes/{id}/start': processCommand('start', { body: { input: 1 }, other: { input: 2 } }),
    '/api/v1/processes/{id}/cancel': processCommand('cancel', told, 'start'),
    '/api/v1/processes/{id}/retry': processCommand('retry', told, 'start', 'cancel'),
    [`${BASE}/callbacks/secret/rotate`]: () =>
      Promise.resolve({ path: `${BASE}/callbacks/secret/rotate`, other: { some: 'body' } }),
    [`${BASE}/callbacks/{id}/enable`]: async () => ({
      path: `${BASE}/callbacks/${await callback()}/enable`,
      other: { some: 'body' },
    }),
    [`${BASE}/callbacks/{id}/secret/rotate`]: async () => ({
      path: `${BASE}/callbacks/${await callback({ type: 'webhook', callback_url: 'https://example.org/' })}/secret/rotate`,
      other: { some: 'body' },
    }),
    '/api/v1/notifications/ack': () =>
      Promise.resolve({
        path: '/api/v1/notifications/ack',
        body: { ids: ['01944f2c-0000-7000-8000-000000000002'] },
        other: { ids: ['01944f2c-0000-7000-8000-000000000001'] },
      }),
  };
  const refused = '/api/v1/pools/{pool}/credentials';
  /** It creates nothing, so a key has no effect. */
  const asking = '/api/v1/schedules/preview';

  it('is tested below with every POST route', () => {
    expect([...Object.keys(prepare), refused, asking].toSorted()).toEqual(everyPost.toSorted());
  });

  it.each(Object.entries(prepare))(
    'makes POST %s take effect once, even for simultaneous requests: every repeat gets the answer, and another request is refused',
    async (route, ready) => {
      const { path, body, other } = await ready();
      const key = { 'idempotency-key': route };
      const post = (asked: object | undefined): Promise<Answer> => api.post(path, asked, key);
      const answers = await Promise.all(Array.from({ length: 4 }, () => post(body)));
      const [first, ...others] = answers.filter(({ body: answer }) => answer['repeated'] === undefined);
      const repeats = [...answers.filter(({ body: answer }) => answer['repeated'] === true), await post(body)];
      expect([others.length, repeats.length]).toEqual([0, 4]);
      expect(first?.status).toBeLessThan(300);
      const { secret, ...told } = first?.body ?? {};
      // Fields that change are shown with their present value.
      const shown = Object.fromEntries(Object.entries(told).filter(([name]) => !MOVING.has(name)));
      for (const repeat of repeats) {
        expect(repeat.status).toBe(first?.status);
        expect(repeat.body).toMatchObject({ ...shown, repeated: true });
        if (secret !== undefined) expect(repeat.body).not.toHaveProperty('secret');
        // The entity tag of a schedule changes too as time goes on.
        for (const name of route.startsWith('/api/v1/schedules/') ? ['location'] : ['location', 'etag']) {
          expect(repeat.headers.get(name)).toBe(first?.headers.get(name) ?? null);
        }
      }
      const mismatch = await post(other);
      expect([mismatch.status, mismatch.body['code']]).toEqual([422, 'idempotency_mismatch']);

      const location = first?.headers.get('location');
      if (first?.status === 201) expect(location).toMatch(/^\/api\//);
      if (location == null) return;
      const there = await api.get(location);
      const etag = first?.headers.get('etag') ?? there.headers.get('etag');
      expect([there.status, there.headers.get('etag')]).toEqual([200, etag]);
    },
    300_000,
  );

  it('in the first message of a WebSocket starts once too, and a repeat gets the same result', async () => {
    const resultOf = (input: object): Promise<Record<string, unknown>> =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`${platform.url.replace('http', 'ws')}/api/v1/orchestrations/ws/execute/fails`, {
          headers: { authorization: `Bearer ${api.key}` },
        });
        socket.once('error', reject);
        socket.once('open', () => socket.send(JSON.stringify({ input, idempotency_key: 'by-socket' })));
        socket.on('message', (data: Buffer) => {
          const message = JSON.parse(data.toString('utf8')) as Record<string, unknown>;
          if (message['type'] === 'result' || message['type'] === 'error') resolve(message);
        });
      });
    const first = await resultOf({ n: 1 });
    expect(first).toMatchObject({ type: 'result', status: 'failed' });
    expect(first).not.toHaveProperty('repeated');
    expect(await resultOf({ n: 1 })).toEqual({ ...first, repeated: true });
    expect(await resultOf({ n: 2 })).toMatchObject({ type: 'error', problem: { code: 'idempotency_mismatch' } });
  }, 300_000);

  it('is refused if the answer cannot be repeated, and Location names the created resource', async () => {
    const path = refused.replace('{pool}', 'own-workers');
    const answer = await api.post(path, {}, { 'idempotency-key': 'one' });
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ path: '/headers/idempotency-key' }] } });
    expect(await api.get(path)).toMatchObject({ status: 200, body: { credentials: [] } });

    const made = await api.post(path, {});
    const { file: _shownOnce, ...shown } = expectStatus(made, 201);
    const location = made.headers.get('location') ?? '';
    const there = await api.get(location);
    expect([there.status, there.body, there.headers.get('etag')]).toEqual([200, shown, made.headers.get('etag')]);
    expect((await api.call('DELETE', location, undefined, { 'if-match': '"another"' })).status).toBe(412);
    const revoked = await api.call('DELETE', location, undefined, { 'if-match': made.headers.get('etag') ?? '' });
    expect(revoked).toMatchObject({ status: 200, body: { revoked_at: expect.any(String) } });
    expect((await api.get(location)).headers.get('etag')).toBe(revoked.headers.get('etag'));
    expect(revoked.headers.get('etag')).not.toBe(made.headers.get('etag'));
  }, 300_000);
});

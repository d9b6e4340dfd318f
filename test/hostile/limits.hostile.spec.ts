import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import { WebSocket } from 'ws';
import { Api, expectStatus } from '../support/api.js';
import type { Answer } from '../support/api.js';
import { Cluster } from '../support/cluster.js';

const CONFIGS = '/api/v1/orchestrations/configs';
const EXECUTE = '/api/v1/orchestrations/execute';
const EXECUTIONS = '/api/v1/orchestrations/executions';
const SCHEDULES = '/api/v1/schedules';

interface Scheduled {
  readonly counts: Readonly<Record<string, number>>;
  readonly running: readonly unknown[];
}

interface Limits {
  readonly own: Readonly<Record<string, number | null>>;
  readonly limits: Readonly<Record<string, number>>;
  readonly used: Readonly<Record<string, number | null>>;
}

type Started = Answer<{ execution_id: string; code?: string; details?: Record<string, unknown> }>;

/** Two gateways and two engines, a hostile and a quiet tenant. */
describe('a tenant that tries to exceed its limits', () => {
  let cluster: Cluster;
  let platform: Api;
  let mallory: Api;
  let elsewhere: Api;
  let malloryAdmin: Api;
  let quiet: Api;

  beforeAll(async () => {
    cluster = await Cluster.start({ instances: { gateway: 2, execution: 2 }, env: { BATUTA_RUNNER_SLOTS: '12' } });
    platform = cluster.api();
    const user = async (tenant: string, role: 'operator' | 'admin', gateway = 0): Promise<Api> => {
      const body = { tenant_id: tenant, user_id: `${tenant}-${role}`, role, name: 'test' };
      const { secret = '' } = await platform.client.apiKeys.create(body);
      return new Api(cluster.process('gateway', gateway).url, secret);
    };
    mallory = await user('mallory', 'operator');
    elsewhere = new Api(cluster.process('gateway', 1).url, mallory.key);
    malloryAdmin = await user('mallory', 'admin');
    quiet = await user('quiet', 'operator');
    for (const api of [mallory, quiet]) {
      const slow = [{ id: 'only', name: 'Only', agent: 'delay', timeout_ms: 600_000 }];
      expectStatus(await api.post(CONFIGS, { name: 'slow', strategy: 'sequential', steps: slow }), 201);
      const fail = [{ id: 'only', name: 'Only', agent: 'fail' }];
      expectStatus(await api.post(CONFIGS, { name: 'fails', strategy: 'sequential', steps: fail }), 201);
    }
  });

  afterAll(async () => {
    await cluster?.stop();
  });

  beforeEach(async () => {
    for (const api of [mallory, quiet]) await cancelAll(api);
  });

  const limits = async (body: Record<string, number | null>): Promise<void> => {
    expectStatus(await platform.call('PUT', '/api/v1/tenants/mallory/limits', body), 200);
  };
  const limitsOf = async (api: Api): Promise<Limits> =>
    expectStatus(await api.get<Limits>('/api/v1/tenants/mallory/limits'), 200);
  const start = (api: Api, config = 'slow', headers?: Record<string, string>): Promise<Started> =>
    api.post(`${EXECUTE}/${config}`, { input: { ms: 300_000 } }, headers);
  const both = (n: number): Api => (n % 2 === 0 ? mallory : elsewhere);
  const counted = (answers: readonly Started[]): { started: string[]; refused: Started[] } => ({
    started: answers.filter(({ status }) => status === 202).map(({ body }) => body.execution_id),
    refused: answers.filter(({ status }) => status !== 202),
  });

  async function cancelAll(api: Api): Promise<void> {
    for (;;) {
      const path = `${EXECUTIONS}?status=running&status=pending&limit=100`;
      const { executions } = expectStatus(await api.get<{ executions: { id: string }[] }>(path), 200);
      if (executions.length === 0) return;
      await Promise.all(executions.map(({ id }) => api.post(`${EXECUTIONS}/${id}/terminate`, {})));
    }
  }

  it('cannot begin more executions than allowed, from several gateways and over WebSockets', async () => {
    await limits({ unfinished_executions: 4 });
    // The change reaches both gateways.
    await eventually(
      async () => {
        const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => start(both(n))));
        expect(counted(answers).refused.length).toBeGreaterThan(0);
      },
      { timeoutMs: 30_000 },
    );
    await cancelAll(mallory);
    const sockets = Array.from({ length: 10 }, (_, n) => startOverSocket(both(n)));
    const answers = await Promise.all([
      ...Array.from({ length: 20 }, (_, n) => start(both(n))),
      ...Array.from({ length: 10 }, (_, n) => start(both(n), 'slow', { 'idempotency-key': `key-${n}` })),
    ]);
    const overSockets = (await Promise.all(sockets)).filter((outcome) => outcome === 'started').length;
    const { started, refused } = counted(answers);
    expect(started.length + overSockets).toBe(4);
    for (const { status, body, headers } of refused) {
      expect([status, body.code, body.details?.['limit']]).toEqual([429, 'limit_reached', 'unfinished_executions']);
      expect(headers.get('ratelimit-policy')).toBe('"unfinished_executions";q=4;qu="concurrent-requests"');
      expect(headers.get('ratelimit')).toMatch(/^"unfinished_executions";r=0;t=\d+$/);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    }
    // Another tenant is not affected, and the tenant's admin sees the reason.
    const others = await Promise.all(Array.from({ length: 8 }, () => start(quiet)));
    expect(counted(others).started).toHaveLength(8);
    await eventually(async () => {
      const { own, used } = await limitsOf(malloryAdmin);
      expect([own['unfinished_executions'], used['unfinished_executions']]).toEqual([4, 4]);
      expect(used['running_attempts']).toBe(4);
    });
  });

  it('cannot evade it with forks and retries, and may start again when one ends', async () => {
    await limits({});
    const failed: string[] = [];
    for (let n = 0; n < 6; n += 1) {
      const answer = await mallory.post<{ execution_id: string }>(`${EXECUTE}/fails?wait=60s`, {});
      failed.push(expectStatus(answer, 200).execution_id);
    }
    await limits({ unfinished_executions: 2 });
    await eventually(
      async () => {
        const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => start(both(n))));
        expect(counted(answers).refused.length).toBeGreaterThan(0);
      },
      { timeoutMs: 30_000 },
    );
    await cancelAll(mallory);
    await eventually(async () => expect((await start(mallory)).status).toBe(202), { timeoutMs: 30_000 });
    const source = (await running(mallory))[0] ?? '';
    const attempts = await Promise.all([
      ...Array.from({ length: 10 }, (_, n) =>
        both(n).post(`${EXECUTIONS}/${source}/fork`, { from_step_id: 'only', input: { ms: 300_000 } }),
      ),
      ...Array.from({ length: 10 }, (_, n) => start(both(n))),
    ]);
    expect(attempts.filter(({ status }) => status === 202)).toHaveLength(1);
    const retries = await Promise.all(failed.map((id, n) => both(n).post(`${EXECUTIONS}/${id}/retry`, {})));
    expect(retries.map(({ status }) => status)).toEqual(failed.map(() => 429));
    expectStatus(await mallory.post(`${EXECUTIONS}/${source}/terminate`, {}), 200);
    await eventually(async () => expect((await start(elsewhere)).status).toBe(202), { timeoutMs: 30_000 });
  });

  it('cannot begin more executions a second than allowed', async () => {
    await limits({ starts_per_second: 5 });
    await eventually(async () => expect((await start(elsewhere)).headers.get('ratelimit')).not.toBeNull());
    await eventually(async () => expect((await start(mallory)).headers.get('ratelimit')).not.toBeNull());
    const began = performance.now();
    const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => start(both(n))));
    const seconds = (performance.now() - began) / 1_000;
    const { started, refused } = counted(answers);
    expect(started.length).toBeLessThanOrEqual(5 + Math.ceil(5 * seconds));
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]?.headers.get('ratelimit-policy')).toBe('"starts_per_second";q=5;w=1');
    // A repeat starts nothing, so it is answered with any limit.
    const once = { 'idempotency-key': 'the-first' };
    let first: Started | undefined;
    await eventually(async () => {
      first = await start(mallory, 'slow', once);
      expect(first.status).toBe(202);
    });
    const repeats = await Promise.all(Array.from({ length: 20 }, (_, n) => start(both(n), 'slow', once)));
    expect(new Set(repeats.map(({ body }) => body.execution_id))).toEqual(new Set([first?.body.execution_id]));
  });

  it('cannot open more WebSockets than allowed, over both gateways', async () => {
    await limits({});
    // The change reaches the gateways a little later.
    const begun = await eventually(async () => expectStatus(await start(mallory), 202), { timeoutMs: 30_000 });
    const { execution_id: id } = begun;
    await limits({ websockets: 3 });
    const policies = new Set<string>();
    const open = async (api: Api): Promise<WebSocket | number> => {
      const url = `${api.url.replace('http', 'ws')}/ws/executions/${id}/monitor`;
      const socket = new WebSocket(url, { headers: { authorization: `Bearer ${api.key}` } });
      return new Promise((resolve, reject) => {
        socket.once('open', () => resolve(socket));
        socket.once('unexpected-response', (_request, response) => {
          policies.add(String(response.headers['ratelimit-policy']));
          resolve(response.statusCode ?? 0);
          response.resume();
        });
        socket.once('error', reject);
      });
    };
    const all: (WebSocket | number)[] = [];
    await eventually(
      async () => {
        for (const socket of all.splice(0)) if (typeof socket !== 'number') socket.terminate();
        all.push(...(await Promise.all(Array.from({ length: 12 }, (_, n) => open(both(n))))));
        expect(all.filter((socket) => socket === 429)).toHaveLength(9);
      },
      { timeoutMs: 60_000 },
    );
    expect([...policies]).toEqual([expect.stringMatching(/^"websockets";q=3/)]);
    expect((await limitsOf(platform)).used['websockets']).toBe(3);
    for (const socket of all) if (typeof socket !== 'number') socket.terminate();
    await eventually(
      async () => {
        const again = await open(elsewhere);
        expect(typeof again).not.toBe('number');
        if (typeof again !== 'number') again.terminate();
      },
      { timeoutMs: 30_000 },
    );
  });

  it('cannot run more attempts at once than allowed, and continues when the limit is raised', async () => {
    await limits({ running_attempts: 2 });
    const many = Array.from({ length: 8 }, (_, n) => ({ id: `s${n}`, name: `S${n}`, agent: 'delay' }));
    expectStatus(await mallory.post(CONFIGS, { name: 'wide', strategy: 'parallel', steps: many }), 201);
    // Enough that every engine has some, because each has a part of the limit, by its part of the partitions.
    const startMany = (): Promise<Started[]> =>
      Promise.all(Array.from({ length: 16 }, (_, n) => start(both(n), 'wide')));
    const running = async (): Promise<number> => (await limitsOf(platform)).used['running_attempts'] ?? 0;
    // The change reaches the engines a little later. Earlier attempts follow the old limit.
    await eventually(
      async () => {
        await cancelAll(mallory);
        for (const answer of await startMany()) expectStatus(answer, 202);
        await eventually(async () => expect(await running()).toBeGreaterThanOrEqual(2), { timeoutMs: 30_000 });
        for (let look = 0; look < 10; look += 1) {
          expect(await running()).toBe(2);
          await delay(100);
        }
      },
      { timeoutMs: 120_000 },
    );
    const answer = await quiet.post<{ status: string }>(`${EXECUTE}/fails?wait=60s`, {});
    expect(expectStatus(answer, 200).status).toBe('failed');
    expect((await limitsOf(platform)).used['running_attempts']).toBe(2);
    await limits({ running_attempts: 8 });
    await eventually(async () => expect((await limitsOf(platform)).used['running_attempts']).toBe(8), {
      timeoutMs: 30_000,
    });
  });

  it('does not go round them by schedules: a firing waits for a place, and is refused with its reason in the end', async () => {
    await limits({ unfinished_executions: 2 });
    await knowsLimit();
    const ids: string[] = [];
    for (let n = 0; n < 3; n += 1) {
      const schedule = { name: `often-${n}`, config: 'slow', timetable: { every_ms: 1_000 }, overlap: 'allow' };
      const body = { ...schedule, input: { ms: 300_000 } };
      ids.push(expectStatus(await both(n).post<{ id: string }>(SCHEDULES, body), 201).id);
    }
    const scheduled = async (): Promise<Scheduled[]> =>
      Promise.all(ids.map(async (id) => expectStatus(await mallory.get<Scheduled>(`${SCHEDULES}/${id}`), 200)));
    const sum = async (count: string): Promise<number> =>
      (await scheduled()).reduce((total, { counts }) => total + (counts[count] ?? 0), 0);
    // Many more have fired than there may be executions, by schedules and by hand, and it never has more.
    await eventually(
      async () => {
        await Promise.all(Array.from({ length: 4 }, (_, n) => start(both(n))));
        expect((await running(mallory)).length).toBeLessThanOrEqual(2);
        expect(await sum('fired')).toBeGreaterThan(15);
      },
      { timeoutMs: 60_000 },
    );
    // Executions are counted anew now and then, so the places of those that were cancelled come free a little later.
    await eventually(async () => expect(await running(mallory)).toHaveLength(2), { timeoutMs: 60_000 });
    // A place that comes free is taken by what waits, and not by more.
    await terminate((await running(mallory))[0]);
    await eventually(async () => expect(await running(mallory)).toHaveLength(2), { timeoutMs: 60_000 });
    // Whatever waited in vain is told with its reason: nothing is lost silently.
    await eventually(async () => expect(await sum('refused')).toBeGreaterThan(0), { timeoutMs: 150_000 });
    for (const id of ids) expectStatus(await mallory.post(`${SCHEDULES}/${id}/pause`, {}), 200);
    await eventually(
      async () => {
        await cancelAll(mallory);
        for (const { counts, running: runs } of await scheduled()) {
          expect(runs).toHaveLength(0);
          const { fired = 0, refused = 0, completed = 0, failed = 0, cancelled = 0 } = counts;
          expect(refused + completed + failed + cancelled).toBe(fired);
        }
      },
      { timeoutMs: 150_000 },
    );
    const histories = await Promise.all(ids.map((id) => mallory.get<object>(`${SCHEDULES}/${id}/history?limit=200`)));
    expect(JSON.stringify(histories.map(({ body }) => body))).toContain('limit_reached');
    for (const id of ids) await mallory.call('DELETE', `${SCHEDULES}/${id}`);
  }, 400_000);

  it('starts by schedules no faster than it may', async () => {
    await limits({ starts_per_second: 0.5 });
    await eventually(async () => expect((await start(elsewhere)).headers.get('ratelimit')).not.toBeNull());
    await cancelAll(mallory);
    const quick = [{ id: 'only', name: 'Only', agent: 'echo' }];
    expectStatus(await mallory.post(CONFIGS, { name: 'quick', strategy: 'sequential', steps: quick }), 201);
    const ids: string[] = [];
    const began = performance.now();
    for (let n = 0; n < 4; n += 1) {
      const body = { name: `fast-${n}`, config: 'quick', timetable: { every_ms: 1_000 }, overlap: 'allow' };
      ids.push(expectStatus(await both(n).post<{ id: string }>(SCHEDULES, body), 201).id);
    }
    const counts = async (count: string): Promise<number> => {
      const all = await Promise.all(
        ids.map(async (id) => expectStatus(await mallory.get<Scheduled>(`${SCHEDULES}/${id}`), 200)),
      );
      return all.reduce((total, each) => total + (each.counts[count] ?? 0), 0);
    };
    await eventually(async () => expect(await counts('fired')).toBeGreaterThan(40), { timeoutMs: 120_000 });
    const completed = await eventually(async () => (await counts('completed')) || false, { timeoutMs: 60_000 });
    const seconds = (performance.now() - began) / 1_000;
    expect(completed).toBeLessThanOrEqual(1 + Math.ceil(0.5 * seconds));
    for (const id of ids) await mallory.call('DELETE', `${SCHEDULES}/${id}`);
  });

  it('has no more children than places again, and parents never wait for each other for ever', async () => {
    await limits({});
    const part = [{ id: 'only', name: 'Only', agent: 'delay' }];
    expectStatus(await mallory.post(CONFIGS, { name: 'part', strategy: 'sequential', steps: part }), 201);
    const nested = Array.from({ length: 8 }, (_, n) => ({
      id: `c${n}`,
      name: `C${n}`,
      orchestration: { config: 'part' },
    }));
    expectStatus(await mallory.post(CONFIGS, { name: 'parents', strategy: 'parallel', steps: nested }), 201);
    await limits({ unfinished_executions: 2 });
    await knowsLimit();
    const parent = (n: number): Promise<Started> => both(n).post(`${EXECUTE}/parents`, { input: { ms: 2_000 } });
    // Parents have all the places there are, and need children to end.
    const parents = await eventually(
      async () => {
        await cancelAll(mallory);
        const { started } = counted(await Promise.all([parent(0), parent(1)]));
        expect(started).toHaveLength(2);
        return started;
      },
      { timeoutMs: 60_000 },
    );
    let most = 0;
    await eventually(
      async () => {
        most = Math.max(most, (await running(mallory)).length);
        for (const id of parents) {
          const { status } = expectStatus(await mallory.get<{ status: string }>(`${EXECUTIONS}/${id}`), 200);
          expect(status).toBe('completed');
        }
      },
      { timeoutMs: 240_000 },
    );
    expect(most).toBeGreaterThan(2);
    expect(most).toBeLessThanOrEqual(4);
  }, 400_000);

  it('stores no more bytes than it may, in documents, configs and executions', async () => {
    const document = (source: string): Promise<Answer<{ code?: string; details?: Record<string, unknown> }>> =>
      malloryAdmin.post('/api/v1/knowledge/documents', {
        source,
        title: source,
        content_type: 'text/markdown',
        content: 'otters '.repeat(2_000),
      });
    await limits({ document_bytes: 1 });
    const full = await eventually(
      async () => {
        const answer = await mallory.post<{ code?: string; details?: Record<string, unknown> }>(CONFIGS, {
          name: 'one more',
          strategy: 'sequential',
          steps: [{ id: 'only', name: 'Only', agent: 'echo' }],
        });
        expect(answer.status).toBe(429);
        return answer;
      },
      { timeoutMs: 30_000 },
    );
    const added = await eventually(
      async () => {
        const answer = await document('otters');
        // A config service that is busy says so.
        expect(answer.status).not.toBe(503);
        return answer;
      },
      { timeoutMs: 60_000 },
    );
    for (const answer of [full, added]) {
      expect([answer.status, answer.body.code, answer.body.details?.['limit']]).toEqual([
        429,
        'limit_reached',
        'document_bytes',
      ]);
      expect(answer.headers.get('ratelimit-policy')).toMatch(/^"document_bytes";q=1/);
    }
    await limits({ execution_bytes: 1 });
    const begun = await eventually(
      async () => {
        const answer = await start(mallory);
        expect(answer.status).toBe(429);
        return answer;
      },
      { timeoutMs: 60_000 },
    );
    expect([begun.body.code, begun.body.details?.['limit']]).toEqual(['limit_reached', 'execution_bytes']);
    expect(begun.headers.get('ratelimit-policy')).toMatch(/^"execution_bytes";q=1/);
    // A schedule does not wait for what only deletions give back.
    const body = { name: 'full', config: 'slow', timetable: { every_ms: 1_000 } };
    const { id } = expectStatus(await mallory.post<{ id: string }>(SCHEDULES, body), 201);
    await eventually(
      async () => {
        const { counts } = expectStatus(await mallory.get<Scheduled>(`${SCHEDULES}/${id}`), 200);
        expect(counts['refused'] ?? 0).toBeGreaterThan(1);
      },
      { timeoutMs: 60_000 },
    );
    await mallory.call('DELETE', `${SCHEDULES}/${id}`);
    expect((await start(quiet)).status).toBe(202);
    await limits({});
  });

  it('cannot set its limits itself, or see those of others', async () => {
    expect((await malloryAdmin.call('PUT', '/api/v1/tenants/mallory/limits', { weight: 100 })).status).toBe(403);
    expect((await malloryAdmin.get('/api/v1/tenants/quiet/limits')).status).toBe(404);
    expect((await malloryAdmin.get('/api/v1/tenants')).status).toBe(403);
    expect((await mallory.get('/api/v1/tenants/mallory/limits')).status).toBe(403);
  });

  async function terminate(id: string | undefined): Promise<void> {
    expectStatus(await mallory.post(`${EXECUTIONS}/${id}/terminate`, {}), 200);
  }

  /** The change of a limit has reached both gateways and engines. */
  async function knowsLimit(): Promise<void> {
    await eventually(
      async () => {
        const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => start(both(n))));
        expect(counted(answers).refused.length).toBeGreaterThan(0);
      },
      { timeoutMs: 30_000 },
    );
    await cancelAll(mallory);
  }

  async function running(api: Api): Promise<string[]> {
    const path = `${EXECUTIONS}?status=running&limit=100`;
    const { executions } = expectStatus(await api.get<{ executions: { id: string }[] }>(path), 200);
    return executions.map(({ id }) => id);
  }

  function startOverSocket(api: Api): Promise<string> {
    const url = `${api.url.replace('http', 'ws')}/api/v1/orchestrations/ws/execute/slow`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${api.key}` } });
    return new Promise((resolve, reject) => {
      socket.once('open', () => socket.send(JSON.stringify({ input: { ms: 300_000 } })));
      socket.once('message', (data: Buffer) => {
        const { type, problem } = JSON.parse(data.toString()) as { type: string; problem?: { code: string } };
        resolve(type === 'error' ? (problem?.code ?? '') : 'started');
        socket.terminate();
      });
      socket.once('error', reject);
    });
  }
});

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
const CALLBACKS = '/api/v1/orchestrations/callbacks';

interface Shown {
  readonly id: string;
  readonly counts: Readonly<Record<string, number>>;
}

const steps = [{ id: 'only', name: 'Only', agent: 'echo' }];
const named = (name: string, more: object = {}): object => ({ name, strategy: 'sequential', steps, ...more });

const callbackOf = (config: string): object => ({
  config_id: config,
  type: 'webhook',
  events: ['completed'],
  callback_url: 'https://example.org/hooks',
});

/** A platform whose admin publishes configs, and a tenant that has not requested any. */
describe('global configs', () => {
  let cluster: Cluster;
  let platform: Api;
  let admin: Api;
  let operator: Api;
  let otherGateway: Api;
  /** Published in its second version. The first one is a draft of the platform's own. */
  let published: string;

  beforeAll(async () => {
    cluster = await Cluster.start({ instances: { gateway: 2, notifications: 1 } });
    platform = cluster.api();
    const user = async (role: 'operator' | 'admin'): Promise<Api> => {
      const body = { tenant_id: 'acme', user_id: `acme-${role}`, role, name: 'test' };
      const { secret = '' } = await platform.client.apiKeys.create(body);
      return new Api(cluster.process('gateway', 0).url, secret);
    };
    admin = await user('admin');
    operator = await user('operator');
    otherGateway = new Api(cluster.process('gateway', 1).url, operator.key);
    ({ id: published } = expectStatus(await platform.post<{ id: string }>(CONFIGS, named('report')), 201));
    expectStatus(await platform.call('PUT', `${CONFIGS}/${published}`, named('report', { is_global: true })), 200);
  });

  afterAll(async () => {
    await cluster?.stop();
  });

  beforeEach(() => allow(false));

  async function allow(globalConfigs: boolean): Promise<void> {
    const { global_configs: now } = await admin.client.tenants.setSettings('acme', { global_configs: globalConfigs });
    expect(now).toBe(globalConfigs);
  }
  const run = (api: Api, config: string, headers?: Record<string, string>): Promise<Answer<{ execution_id: string }>> =>
    api.post(`${EXECUTE}/${config}?wait=60s`, { input: { secret: 'of acme' } }, headers);
  const codeOf = ({ status, body }: Answer<object>): unknown => [status, (body as { code?: string }).code];
  const NOT_FOUND = [404, 'not_found'];

  it('do not exist in any way for a tenant that has not allowed them', async () => {
    for (const config of ['report', published]) {
      for (const api of [operator, otherGateway, admin]) {
        expect(codeOf(await run(api, config))).toEqual(NOT_FOUND);
        expect(codeOf(await run(api, config, { 'idempotency-key': `none-${config}` }))).toEqual(NOT_FOUND);
        expect(codeOf(await api.get(`${CONFIGS}/${config}`))).toEqual(NOT_FOUND);
        expect(codeOf(await api.get(`${CONFIGS}/${config}/versions/2`))).toEqual(NOT_FOUND);
        expect(codeOf(await api.get(`${CONFIGS}/${config}/versions`))).toEqual(NOT_FOUND);
      }
      expect(await startOverSocket(operator, config)).toBe('not_found');
      for (const version of [{}, { config_version: 1 }, { config_version: 2 }]) {
        const schedule = { name: 'every', config, timetable: { every_ms: 60_000 }, ...version };
        expect(codeOf(await operator.post(SCHEDULES, schedule))).toEqual([400, 'validation_failed']);
      }
      const refused = await operator.post<{ errors?: { code: string }[] }>(CALLBACKS, callbackOf(config));
      expect(refused).toMatchObject({ status: 400, body: { errors: [{ code: 'unknown_config' }] } });
    }
    for (const query of ['', '?name=report', '?include_deleted=true', '?strategy=sequential']) {
      expect(await listed(operator, query)).toBe(false);
    }
    const { executions } = expectStatus(await admin.get<{ executions: unknown[] }>(EXECUTIONS), 200);
    expect(executions).toEqual([]);
  });

  it('exist once an admin of the tenant has allowed them, and disappear at once', async () => {
    await allow(true);
    expect(await listed(operator, '')).toBe(true);
    for (const config of ['report', published]) expectStatus(await run(operator, config), 200);
    expectStatus(await operator.get(`${CONFIGS}/report`), 200);
    // One of the tenant's own executions, about which only the tenant is notified.
    expectStatus(await operator.post(CALLBACKS, callbackOf(published)), 201);
    // The earlier draft belongs to the platform: it cannot be read, forked or scheduled.
    expect(codeOf(await operator.get(`${CONFIGS}/${published}/versions/1`))).toEqual(NOT_FOUND);
    const draft = { name: 'draft', config: published, config_version: 1, timetable: { every_ms: 60_000 } };
    expect(codeOf(await operator.post(SCHEDULES, draft))).toEqual([400, 'validation_failed']);
    // Both gateways have leases of the config when it is forbidden.
    for (let round = 0; round < 5; round += 1) {
      await allow(true);
      for (const api of [operator, otherGateway]) expectStatus(await run(api, 'report'), 200);
      await allow(false);
      for (const api of [operator, otherGateway]) expect(codeOf(await run(api, 'report'))).toEqual(NOT_FOUND);
    }
  });

  it('are not started by a fork or a schedule from the time when they were allowed', async () => {
    await allow(true);
    const { execution_id: source } = expectStatus(await run(operator, 'report'), 200);
    const fork = `${EXECUTIONS}/${source}/fork?wait=60s`;
    expectStatus(await operator.post(fork, { from_step_id: 'only' }), 200);
    const schedule = { config: 'report', timetable: { every_ms: 1_000 } };
    const schedules: string[] = [];
    for (const body of [schedule, { ...schedule, config_version: 2 }]) {
      const { id } = expectStatus(await operator.post<Shown>(SCHEDULES, { name: 'often', ...body }), 201);
      schedules.push(id);
    }
    const countsOf = async (id: string): Promise<Shown['counts']> =>
      expectStatus(await operator.get<Shown>(`${SCHEDULES}/${id}`), 200).counts;
    const more = { timeoutMs: 60_000 };
    for (const id of schedules) {
      await eventually(async () => expect((await countsOf(id))['completed']).toBeGreaterThan(0), more);
    }

    await allow(false);
    expect(codeOf(await operator.post(fork, { from_step_id: 'only' }))).toEqual(NOT_FOUND);
    expect(codeOf(await operator.post(fork, { from_step_id: 'only', input: {} }))).toEqual(NOT_FOUND);
    const keyed = { 'idempotency-key': 'a-fork' };
    expect(codeOf(await operator.post(fork, { from_step_id: 'only' }, keyed))).toEqual(NOT_FOUND);
    for (const id of schedules) {
      const { refused: before = 0 } = await countsOf(id);
      const refusedOf = async (): Promise<number> => (await countsOf(id))['refused'] ?? 0;
      // Starts that were admitted earlier have ended by then.
      await eventually(async () => expect(await refusedOf()).toBeGreaterThan(before + 1), more);
      const { completed } = await countsOf(id);
      await eventually(async () => expect(await refusedOf()).toBeGreaterThan(before + 3), more);
      expect((await countsOf(id))['completed']).toBe(completed);
      const { events } = expectStatus(
        await operator.get<{ events: object[] }>(`${SCHEDULES}/${id}/history?limit=200`),
        200,
      );
      expect(JSON.stringify(events)).toContain('not_found');
      await operator.call('DELETE', `${SCHEDULES}/${id}`);
    }
    // Earlier executions still belong to the tenant.
    expectStatus(await operator.get(`${EXECUTIONS}/${source}`), 200);
  });

  it('are not started as children by a config from the time when they were allowed, by name, id or version', async () => {
    const parentOf = (name: string, rules: object): object => ({
      name,
      strategy: 'sequential',
      steps: [{ id: 'part', name: 'Part', orchestration: rules }],
    });
    const ways = [{ config: 'report' }, { config: published }, { config: 'report', config_version: 2 }];
    const draft = { config: published, config_version: 1 };
    await allow(false);
    for (const rules of [...ways, draft]) {
      expect(codeOf(await operator.post(CONFIGS, parentOf('never', rules)))).toEqual([400, 'validation_failed']);
    }
    await allow(true);
    interface Ended {
      readonly execution_id: string;
      readonly status: string;
      readonly failure?: { readonly code: string };
    }
    const runNow = async (name: string): Promise<Ended> =>
      expectStatus(await operator.post<Ended>(`${EXECUTE}/${name}?wait=60s`, { input: {} }), 200);
    const children = async (): Promise<number> =>
      expectStatus(
        await operator.get<{ executions: { config_name: string }[] }>(`${EXECUTIONS}?limit=200`),
        200,
      ).executions.filter(({ config_name: name }) => name === 'report').length;
    for (const [n, rules] of ways.entries()) {
      expectStatus(await operator.post(CONFIGS, parentOf(`parent-${n}`, rules)), 201);
      expect((await runNow(`parent-${n}`)).status).toBe('completed');
    }
    expect(await children()).toBeGreaterThanOrEqual(ways.length);
    // Which version there is comes up when the child is to start: the draft of before is the platform's own.
    expectStatus(await operator.post(CONFIGS, parentOf('parent-of-draft', draft)), 201);
    expect(await runNow('parent-of-draft')).toMatchObject({ status: 'failed', failure: { code: 'child_refused' } });
    await allow(false);
    for (const n of ways.keys()) {
      // An engine may hold a lease of the config for a moment.
      const ended = await eventually(
        async () => {
          const last = await runNow(`parent-${n}`);
          expect([last.status, last.failure?.code]).toEqual(['failed', 'child_refused']);
          return last;
        },
        { timeoutMs: 60_000 },
      );
      const before = await children();
      expectStatus(await operator.post(`${EXECUTIONS}/${ended.execution_id}/retry`, {}), 200);
      await eventually(async () => {
        const { status } = expectStatus(await operator.get<Ended>(`${EXECUTIONS}/${ended.execution_id}`), 200);
        expect(status).toBe('failed');
      });
      expect((await runNow(`parent-${n}`)).status).toBe('failed');
      expect(await children()).toBe(before);
    }
    // A config of the tenant's own that has the name is another matter.
    const own = expectStatus(await operator.post<{ id: string }>(CONFIGS, named('report')), 201);
    expect((await runNow('parent-0')).status).toBe('completed');
    await operator.call('DELETE', `${CONFIGS}/${own.id}`);
  }, 300_000);

  it('answer a repeated start or fork as before, and start nothing more', async () => {
    await allow(true);
    const key = { 'idempotency-key': 'once' };
    const { execution_id: first } = expectStatus(await run(operator, 'report', key), 200);
    const fork = `${EXECUTIONS}/${first}/fork?wait=60s`;
    const forkKey = { 'idempotency-key': 'once-forked' };
    const forked = expectStatus(await operator.post(fork, { from_step_id: 'only' }, forkKey), 200);
    const count = async (): Promise<number> =>
      expectStatus(await operator.get<{ executions: unknown[] }>(`${EXECUTIONS}?limit=100`), 200).executions.length;
    const before = await count();
    await allow(false);
    for (const api of [operator, otherGateway]) {
      expect(await run(api, 'report', key)).toMatchObject({ status: 200, body: { execution_id: first } });
      const again = await api.post(fork, { from_step_id: 'only' }, forkKey);
      expect(again).toMatchObject({ status: 200, body: { execution_id: forked['execution_id'] } });
      const other = await api.post(`${EXECUTE}/report?wait=60s`, { input: 'another' }, key);
      expect(codeOf(other)).toEqual([422, 'idempotency_mismatch']);
    }
    expect(await count()).toBe(before);
  });

  it('do not replace a deleted config of the tenant', async () => {
    const own = expectStatus(
      await operator.post<{ id: string }>(CONFIGS, named('report', { metadata: { own: true } })),
      201,
    );
    expectStatus(await run(operator, 'report'), 200);
    await operator.call('DELETE', `${CONFIGS}/${own.id}`);
    expect(codeOf(await run(operator, 'report'))).toEqual(NOT_FOUND);
    expect(codeOf(await run(otherGateway, 'report'))).toEqual(NOT_FOUND);
  });

  it('can be allowed only by admins of the tenant', async () => {
    const settings = '/api/v1/tenants/acme/settings';
    const body = { global_configs: true };
    expect((await operator.call('PUT', settings, body)).status).toBe(403);
    expect((await operator.get(settings)).status).toBe(403);
    const { secret = '' } = await platform.client.apiKeys.create({
      tenant_id: 'mallory',
      user_id: 'mallory',
      role: 'admin',
      name: 'test',
    });
    const mallory = new Api(cluster.process('gateway', 0).url, secret);
    expect((await mallory.call('PUT', settings, body)).status).toBe(404);
    expect((await mallory.get(settings)).status).toBe(404);
    expect(expectStatus(await admin.get(settings), 200)).toEqual({ tenant_id: 'acme', global_configs: false });
    // Another tenant cannot publish in any way.
    const made = expectStatus(await mallory.post<{ id: string }>(CONFIGS, named('mine')), 201);
    expect((await mallory.post(CONFIGS, named('theirs', { is_global: true }))).status).toBe(403);
    expect((await mallory.call('PUT', `${CONFIGS}/${made.id}`, named('mine', { is_global: true }))).status).toBe(403);
    expect((await mallory.call('PATCH', `${CONFIGS}/${made.id}`, { is_global: true })).status).toBe(403);
  });

  async function listed(api: Api, query: string): Promise<boolean> {
    const { configs } = expectStatus(await api.get<{ configs: { id: string }[] }>(`${CONFIGS}${query}`), 200);
    return configs.some(({ id }) => id === published);
  }

  /** The code of the refusal, or the first other message. */
  async function startOverSocket(api: Api, config: string): Promise<string> {
    const url = `${api.url.replace('http', 'ws')}/api/v1/orchestrations/ws/execute/${config}`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${api.key}` } });
    try {
      return await new Promise<string>((resolve, reject) => {
        socket.on('unexpected-response', (_request, response) => resolve(String(response.statusCode)));
        socket.on('error', reject);
        socket.on('open', () => socket.send(JSON.stringify({ input: {} })));
        socket.on('message', (data) => {
          const { type, problem } = JSON.parse((data as Buffer).toString('utf8')) as {
            type: string;
            problem?: { code: string };
          };
          resolve(problem?.code ?? type);
        });
      });
    } finally {
      socket.terminate();
    }
  }
});

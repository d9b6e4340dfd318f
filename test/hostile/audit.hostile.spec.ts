import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ALL_OPERATIONS, POSTGRES_OWNER, POSTGRES_SERVICES, postgresRole, SEE_ALL_TENANTS } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { WebSocket } from 'ws';
import { Api, expectStatus } from '../support/api.js';
import { Cluster } from '../support/cluster.js';

interface Entry {
  readonly id: string;
  readonly seq: number;
  readonly tenant_id: string;
  readonly key_id?: string;
  readonly user_id?: string;
  readonly role?: string;
  readonly channel: string;
  readonly action: string;
  readonly resource: string;
  readonly revision?: string;
  readonly outcome: string;
  readonly code?: string;
  readonly address?: string;
  readonly request_id?: string;
  readonly link: string;
}

interface Operation {
  readonly name: string;
  readonly method: string;
  readonly path: string;
}

const SECRET = 'a-value-that-nobody-may-read-4711';
/** POSTs that change nothing. */
const READS = new Set(ALL_OPERATIONS.filter(({ kind }) => kind === 'read').map(({ name }) => name));

/** A platform of several tenants; one of them is hostile. */
describe('the audit log', () => {
  let cluster: Cluster;
  let platform: Api;
  let admin: Api;
  let operator: Api;
  let viewer: Api;
  let mallory: Api;
  let operations: Operation[];

  beforeAll(async () => {
    cluster = await Cluster.start({
      instances: { gateway: 1, notifications: 1 },
      env: { BATUTA_GATEWAY_AUDIT_STARTS: 'true', BATUTA_SECRETS_KEYS: Buffer.alloc(32, 7).toString('base64') },
    });
    platform = cluster.api();
    const user = async (tenant: string, role: 'viewer' | 'operator' | 'admin'): Promise<Api> => {
      const body = { tenant_id: tenant, user_id: `${tenant}-${role}`, role, name: 'test' };
      const { secret = '' } = await platform.client.apiKeys.create(body);
      const api = new Api(platform.url, secret);
      // A key that was never used is refused, as a guess may be, once its address has sent many wrong ones.
      expectStatus(await api.get('/api/v1/orchestrations/configs'), 200);
      return api;
    };
    admin = await user('acme', 'admin');
    operator = await user('acme', 'operator');
    viewer = await user('acme', 'viewer');
    mallory = await user('mallory', 'admin');
    const document = JSON.parse(await readFile('docs/openapi.json', 'utf8')) as {
      paths: Record<string, Record<string, { operationId: string }>>;
    };
    operations = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item)
        .filter(([method]) => path.startsWith('/api/v1/') && method !== 'get')
        .map(([method, { operationId }]) => ({ name: operationId, method: method.toUpperCase(), path })),
    );
  });

  afterAll(async () => {
    await cluster?.stop();
  });

  /** All entries, newest first. */
  async function entriesOf(api: Api, query = ''): Promise<Entry[]> {
    const entries: Entry[] = [];
    for (let cursor = ''; ;) {
      const path = `/api/v1/audit?limit=200${query}${cursor === '' ? '' : `&cursor=${cursor}`}`;
      const page = expectStatus(await api.get<{ entries: Entry[]; next_cursor: string | null }>(path), 200);
      entries.push(...page.entries);
      if (page.next_cursor === null) return entries;
      cursor = page.next_cursor;
    }
  }

  /** Waits for an entry, because it is recorded after the answer. */
  const found = (api: Api, wanted: Partial<Entry>, query = ''): Promise<Entry> =>
    eventually(
      async () => {
        const entries = await entriesOf(api, query);
        const match = entries.find((entry) =>
          Object.entries(wanted).every(([name, value]) => entry[name as keyof Entry] === value),
        );
        if (match === undefined) {
          throw new Error(`no ${JSON.stringify(wanted)} among ${JSON.stringify(entries.slice(0, 5))}`);
        }
        return match;
      },
      { timeoutMs: 30_000 },
    );

  const pathOf = ({ path }: Operation): string =>
    path
      .replace('{version}', '1')
      .replace('{id}', '01900000-0000-7000-8000-000000000000')
      .replaceAll(/\{[a-z_]+\}/g, 'nothing');

  it('has every changing operation, refused because of the role, the key, and the body', async () => {
    expect(operations.length).toBeGreaterThan(40);
    const anybody = new Api(platform.url, 'batuta_wrong');
    for (const operation of operations) {
      if (READS.has(operation.name)) continue;
      for (const [api, kind] of [
        [viewer, 'viewer'],
        [admin, 'admin'],
        [anybody, 'anybody'],
      ] as const) {
        const headers = { 'x-request-id': `${kind}-${operation.name}`, 'x-secret': SECRET };
        // A route without a body ignores it. No other operation accepts this body.
        const answer = await api.call(operation.method, pathOf(operation), { nonsense: SECRET }, headers);
        if (kind === 'anybody') expect([401, 429]).toContain(answer.status);
      }
    }
    const missing: string[] = [];
    await eventually(
      async () => {
        const [own, others] = [await entriesOf(admin), await entriesOf(platform)];
        missing.splice(0);
        for (const { name } of operations) {
          if (READS.has(name)) continue;
          for (const [log, kind] of [
            [own, 'viewer'],
            [own, 'admin'],
            [others, 'anybody'],
          ] as const) {
            const entry = log.find(({ request_id: id }) => id === `${kind}-${name}`);
            if (entry?.action !== name) missing.push(`${kind} ${name}: ${entry?.action ?? 'nothing'}`);
            if (kind === 'anybody' && entry !== undefined) expect(entry.user_id ?? '').toBe('');
            if (kind === 'viewer' && entry !== undefined) {
              expect(entry).toMatchObject({ user_id: 'acme-viewer', role: 'viewer' });
            }
          }
        }
        expect(missing).toEqual([]);
      },
      { timeoutMs: 60_000 },
    );
  }, 300_000);

  it('shows who did what, from where and with which outcome', async () => {
    const name = 'AUDITED_TOKEN';
    const put = await admin.call('PUT', `/api/v1/secrets/${name}`, { value: SECRET }, { 'x-request-id': 'put-secret' });
    expect(put.status).toBe(201);
    const entry = await found(admin, { request_id: 'put-secret' });
    let keyId: string | undefined;
    for await (const { id, user_id: user } of admin.client.apiKeys.list()) if (user === 'acme-admin') keyId = id;
    expect(entry).toMatchObject({
      tenant_id: 'acme',
      user_id: 'acme-admin',
      role: 'admin',
      key_id: keyId,
      channel: 'rest',
      action: 'secrets.put',
      resource: `secrets/${name}`,
      revision: put.headers.get('etag'),
      outcome: 'succeeded',
      address: '127.0.0.1',
    });
    const config = { name: 'audited', strategy: 'sequential', steps: [{ id: 'a', name: 'A', agent: 'echo' }] };
    const made = await operator.post<{ id: string }>('/api/v1/orchestrations/configs', config);
    await found(admin, {
      action: 'configs.create',
      resource: `orchestrations/configs/${made.body.id}`,
      outcome: 'succeeded',
    });
    const started = await operator.post<{ execution_id: string }>('/api/v1/orchestrations/execute/audited?wait=60s', {
      input: { value: SECRET },
    });
    const { execution_id: execution } = expectStatus(started, 200);
    const resource = `orchestrations/executions/${execution}`;
    await found(admin, { action: 'executions.start', resource, channel: 'rest' });
    await operator.post(`/api/v1/orchestrations/executions/${execution}/cancel`, { reason: SECRET });
    await found(admin, { action: 'executions.cancel', outcome: 'refused' });
  });

  it('has requests over WebSockets, and refused WebSockets', async () => {
    const url = `${platform.url.replace('http', 'ws')}/api/v1/orchestrations/ws/execute/audited`;
    const open = (key: string): Promise<unknown> =>
      new Promise((resolve) => {
        const socket = new WebSocket(url, {
          headers: { authorization: `Bearer ${key}`, 'x-request-id': 'over-socket' },
        });
        socket.on('open', () => socket.send(JSON.stringify({ input: { value: SECRET } })));
        socket.on('message', (data) => {
          if ((data as Buffer).toString().includes('"result"')) socket.close();
        });
        socket.on('unexpected-response', (_request, response) => resolve(response.statusCode));
        socket.on('error', () => undefined);
        socket.on('close', resolve);
      });
    await open(operator.key);
    await found(admin, {
      channel: 'websocket',
      action: 'executions.start',
      user_id: 'acme-operator',
      outcome: 'succeeded',
    });
    expect(await open(viewer.key)).toBe(403);
    await found(admin, { channel: 'websocket', user_id: 'acme-viewer', outcome: 'refused', code: 'forbidden' });
    expect(await open('batuta_nobody')).toBe(401);
    await found(platform, { channel: 'websocket', outcome: 'refused', code: 'unauthenticated' });
  });

  it('can be read only by admins of the tenant and of the platform', async () => {
    for (const api of [viewer, operator]) {
      expect((await api.get('/api/v1/audit')).status).toBe(403);
      expect((await api.get('/api/v1/audit/export')).status).toBe(403);
    }
    for (const path of ['/api/v1/audit?tenant_id=acme', '/api/v1/audit/export?tenant_id=acme']) {
      expect((await mallory.get(path)).status).toBe(403);
    }
    expect((await entriesOf(mallory)).filter(({ tenant_id: tenant }) => tenant !== 'mallory')).toEqual([]);
    // A cursor of another tenant only leads into the reader's own log.
    const page = await admin.get<{ next_cursor: string }>('/api/v1/audit?limit=1');
    const stolen = await mallory.get<{ entries: Entry[] }>(`/api/v1/audit?limit=200&cursor=${page.body.next_cursor}`);
    expect(expectStatus(stolen, 200).entries.filter(({ tenant_id: tenant }) => tenant !== 'mallory')).toEqual([]);
    // Entries are written after the answers, so the last ones may come between two readings.
    await eventually(async () => {
      const seen = await entriesOf(platform, '&tenant_id=acme');
      expect(seen.length).toBe((await entriesOf(admin)).length);
    });
    // The refusal is in the log of the tenant that tried.
    await found(mallory, { action: 'audit.list', outcome: 'refused', code: 'forbidden' });
    await found(admin, { action: 'audit.export', user_id: 'acme-viewer', outcome: 'refused' });
  });

  it('filters by user, operation, outcome and time', async () => {
    const all = await entriesOf(admin);
    const some = all.find(({ action, outcome }) => action === 'secrets.put' && outcome === 'succeeded')!;
    const expected = (test: (entry: Entry) => boolean): string[] => all.filter(test).map(({ id }) => id);
    const idsOf = async (query: string): Promise<string[]> =>
      (await entriesOf(admin, `${query}&before=${encodeURIComponent(new Date(Date.now() + 1).toISOString())}`))
        .map(({ id }) => id)
        .filter((id) => all.some((entry) => entry.id === id));
    expect(await idsOf('&user_id=acme-viewer')).toEqual(expected(({ user_id: user }) => user === 'acme-viewer'));
    expect(await idsOf(`&key_id=${some.key_id}`)).toEqual(expected(({ key_id: key }) => key === some.key_id));
    expect(await idsOf('&action=secrets.put')).toEqual(expected(({ action }) => action === 'secrets.put'));
    expect(await idsOf(`&resource=${some.resource}`)).toEqual(expected(({ resource }) => resource === some.resource));
    for (const outcome of ['succeeded', 'refused', 'failed']) {
      expect(await idsOf(`&outcome=${outcome}`)).toEqual(expected((entry) => entry.outcome === outcome));
    }
    const middle = all[Math.floor(all.length / 2)] as Entry & { at: string };
    const newer = await idsOf(`&from=${encodeURIComponent(middle.at)}`);
    expect(newer).toContain(middle.id);
    expect(newer).not.toContain(all.at(-1)?.id);
    expect(
      await entriesOf(admin, `&before=${encodeURIComponent(middle.at)}&from=${encodeURIComponent(middle.at)}`),
    ).toEqual([]);
  });

  it('contains no user’s values, and is a chain without gaps', async () => {
    for (const [api, tenant] of [
      [admin, 'acme'],
      [platform, 'default'],
    ] as const) {
      const response = await api.client.send({ method: 'GET', path: '/api/v1/audit/export' });
      const text = await response.text();
      expect(text).not.toContain(SECRET);
      expect(text).not.toContain(api.key);
      const entries = text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Entry);
      expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
      expect(new Set(entries.map(({ link }) => link)).size).toBe(entries.length);
      expect(entries.every((entry) => entry.tenant_id === tenant)).toBe(true);
    }
  });

  it('cannot be changed by a service’s role, nor by the owner of the tables', async () => {
    const statements = [
      `UPDATE config.audit_entries SET user_id = 'somebody else'`,
      `DELETE FROM config.audit_entries`,
      `TRUNCATE config.audit_entries`,
    ];
    const client = new pg.Client({ connectionString: cluster.postgres.url });
    await client.connect();
    try {
      const { rows: before } = await client.query('SELECT count(*) AS n FROM config.audit_entries');
      for (const service of POSTGRES_SERVICES) {
        await client.query(`SET ROLE ${postgresRole(service)}`);
        for (const statement of statements) await expect(client.query(statement)).rejects.toThrow(/permission denied/);
        // The setting with which the owner removes old entries has no effect for a service.
        await client.query(
          `SELECT set_config('batuta.erased_tenant', 'acme', false), set_config('batuta.audit_before', '3000-01-01', false)`,
        );
        for (const statement of statements) await expect(client.query(statement)).rejects.toThrow(/permission denied/);
        await client.query('RESET ALL');
      }
      await client.query(`RESET ROLE`);
      await client.query(`SET ROLE ${POSTGRES_OWNER}`);
      await client.query(SEE_ALL_TENANTS);
      for (const statement of statements) await expect(client.query(statement)).rejects.toThrow(/stay as they are/);
      await client.query('RESET ROLE');
      const { rows: after } = await client.query('SELECT count(*) AS n FROM config.audit_entries');
      expect(Number(after[0].n)).toBeGreaterThanOrEqual(Number(before[0].n));
    } finally {
      await client.end();
    }
  });
});

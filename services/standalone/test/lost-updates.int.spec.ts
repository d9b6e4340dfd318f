import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadConfigSettings, startConfig } from '@batuta/config';
import type { RunningConfig } from '@batuta/config';
import { loadGatewaySettings, startGateway } from '@batuta/gateway';
import type { Gateway } from '@batuta/gateway';
import { createLogger } from '@batuta/observability';
import { createTestDatabase, startTestNats } from '@batuta/testing';
import type { TestDatabase, TestNats } from '@batuta/testing';

const logger = createLogger({ service: 'test', level: 'silent', pretty: false });
const CONFIGS = '/api/v1/orchestrations/configs';
const AGENTS = '/api/v1/agents';
const DOCUMENTS = '/api/v1/knowledge/documents';
const KEYS = '/api/v1/api-keys';

let database: TestDatabase;
let nats: TestNats;
let config: RunningConfig;
let gateway: Gateway;
let key: string;

/** The REST edge with the real config service, whose state the tests are about. */
beforeAll(async () => {
  database = await createTestDatabase();
  nats = await startTestNats();
  config = await startConfig({
    settings: {
      ...loadConfigSettings({ DATABASE_URL: database.url, NATS_URL: nats.url, BATUTA_CONFIG_HTTP_PORT: '0' }),
      databaseConnections: 4,
      sandboxThreads: 1,
    },
    logger,
    deliverAdminKey: (secret) => {
      key = secret;
      return Promise.resolve();
    },
  });
  const settings = loadGatewaySettings({ BATUTA_GATEWAY_HTTP_PORT: '0', NATS_URL: nats.url });
  gateway = await startGateway({ settings, logger });
});
afterAll(async () => {
  await gateway?.close();
  await config?.close();
  await nats?.close();
  await database?.drop();
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly etag: string;
  readonly body: Record<string, unknown>;
}

async function call(
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const answer = await fetch(`${gateway.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return {
    status: answer.status,
    headers: answer.headers,
    etag: answer.headers.get('etag') ?? 'none',
    body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>,
  };
}

const definition = (name: string, more: object = {}) => ({
  name,
  strategy: 'parallel',
  steps: [{ id: 'a', name: 'A', agent: 'echo' }],
  ...more,
});

/** Resources that can be changed: how to create one, where it is, and a change of it. */
const changed = {
  config: async () => {
    const made = await call('POST', CONFIGS, definition('a config'));
    const path = `${CONFIGS}/${made.body['id'] as string}`;
    return { path, change: (headers: object) => call('PUT', path, definition('a config'), { ...headers }) };
  },
  agent: async () => {
    const path = `${AGENTS}/an-agent`;
    await call('PUT', path, { pool: 'one' });
    return { path, change: (headers: object) => call('PUT', path, { pool: 'two' }, { ...headers }) };
  },
  document: async () => {
    const document = { source: 'a.md', content: 'one' };
    const made = await call('POST', DOCUMENTS, document);
    const path = `${DOCUMENTS}/${made.body['id'] as string}`;
    let times = 0;
    return {
      path,
      change: (headers: object) =>
        call('POST', DOCUMENTS, { ...document, content: `changed ${(times += 1)}` }, { ...headers }),
    };
  },
  'API key': async () => {
    const made = await call('POST', KEYS, { user_id: 'ada', role: 'viewer' });
    const path = `${KEYS}/${made.body['id'] as string}`;
    return { path, change: (headers: object) => call('DELETE', path, undefined, { ...headers }) };
  },
} as const;

describe.each(Object.entries(changed))('a change of the %s', (kind, make) => {
  it('is refused when somebody else changed it meanwhile, and gives it a new ETag', async () => {
    const { path, change } = await make();
    const seen = await call('GET', path);
    expect([seen.status, seen.etag]).toEqual([200, expect.stringMatching(/^"[\w-]+"$/)]);
    expect((await call('GET', path, undefined, { 'if-none-match': `"x", W/${seen.etag}` })).status).toBe(304);
    for (const refused of ['"99"', `W/${seen.etag}`, `"1", W/${seen.etag}`]) {
      const answer = await change({ 'if-match': refused });
      expect([refused, answer.status, answer.body['code']]).toEqual([refused, 412, 'version_conflict']);
    }
    expect((await change({ 'if-none-match': '*' })).status).toBe(412);
    expect((await call('GET', path)).etag).toBe(seen.etag);

    expect((await change({ 'if-match': `"99", ${seen.etag}` })).status).toBeLessThan(300);
    const now = await call('GET', path);
    expect(now.etag).not.toBe(seen.etag);
    expect((await call('GET', path, undefined, { 'if-none-match': seen.etag })).status).toBe(200);
    expect((await change({ 'if-match': seen.etag })).status).toBe(412);
    expect((await change({ 'if-match': '*' })).status).toBeLessThan(300);
    if (kind === 'API key') return;
    expect((await call('DELETE', path, undefined, { 'if-match': seen.etag })).status).toBe(412);
    const last = (await call('GET', path)).etag;
    expect((await call('DELETE', path, undefined, { 'if-match': last })).status).toBe(200);
    expect((await call('GET', path)).status).toBe(404);
  });
});

describe('an agent', () => {
  it('is created once with If-None-Match: *, and has a new ETag when it is created again', async () => {
    const path = `${AGENTS}/made-once`;
    expect((await call('PUT', path, { pool: 'p' }, { 'if-match': '*' })).status).toBe(412);
    const racers = await Promise.all(
      Array.from({ length: 6 }, (_, n) =>
        call('PUT', path, { pool: 'p', description: `${n}` }, { 'if-none-match': '*' }),
      ),
    );
    expect(racers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 412, 412, 412, 412, 412]);
    const made = racers.find(({ status }) => status === 201);
    expect(made?.headers.get('location')).toBe(path);
    expect((await call('GET', path)).body['description']).toBe(made?.body['description']);
    await call('DELETE', path);
    const again = await call('PUT', path, { pool: 'p', description: made?.body['description'] });
    expect([again.status, again.body['revision']]).toEqual([201, 1]);
    expect(again.etag).not.toBe(made?.etag);
  });

  it('loses none of many updates that are each based on the previous one', async () => {
    const path = `${AGENTS}/raced`;
    await call('PUT', path, { pool: 'p', description: '0' });
    const add = async (): Promise<void> => {
      for (;;) {
        const seen = await call('GET', path);
        const next = { pool: 'p', description: String(Number(seen.body['description']) + 1) };
        if ((await call('PUT', path, next, { 'if-match': seen.etag })).status === 200) return;
      }
    };
    await Promise.all(Array.from({ length: 8 }, add));
    expect((await call('GET', path)).body['description']).toBe('8');
  });
});

/** Every POST of the config service: its path, and two different requests. */
const posts: Record<string, () => Promise<{ path: string; body: object | undefined; other: object }>> = {
  'make a config': () =>
    Promise.resolve({ path: CONFIGS, body: definition('posted'), other: definition('posted', { description: 'x' }) }),
  'make an API key': () =>
    Promise.resolve({
      path: KEYS,
      body: { user_id: 'bob', role: 'viewer' },
      other: { user_id: 'bob', role: 'operator' },
    }),
  'add a document': () =>
    Promise.resolve({
      path: DOCUMENTS,
      body: { source: 'p.md', content: 'one' },
      other: { source: 'p.md', content: 'two' },
    }),
  'restore a config': async () => {
    const made = await call('POST', CONFIGS, definition('restored'));
    const path = `${CONFIGS}/${made.body['id'] as string}`;
    await call('DELETE', path);
    return { path: `${path}/restore`, body: undefined, other: { some: 'body' } };
  },
};

describe.each(Object.entries(posts))('an Idempotency-Key to %s', (name, prepare) => {
  it('makes it happen once, also for concurrent requests, repeats the first answer, and refuses a different request', async () => {
    const { path, body, other } = await prepare();
    const headers = { 'idempotency-key': `key of ${name}`.replaceAll(' ', '-') };
    const answers = await Promise.all(Array.from({ length: 5 }, () => call('POST', path, body, headers)));
    const [first] = answers.filter(({ body: answer }) => answer['repeated'] === undefined);
    const repeats = answers.filter(({ body: answer }) => answer['repeated'] === true);
    expect([first?.status, repeats.length]).toEqual([name.startsWith('restore') ? 200 : 201, 4]);
    const { secret, ...shown } = first?.body ?? {};
    expect(typeof secret).toBe(path === KEYS ? 'string' : 'undefined');
    for (const repeat of [...repeats, await call('POST', path, body, headers)]) {
      expect(repeat.status).toBe(first?.status);
      expect(repeat.etag).toBe(first?.etag);
      expect(repeat.headers.get('location')).toBe(first?.headers.get('location') ?? null);
      expect(repeat.body).toEqual({ ...shown, repeated: true });
    }
    const mismatch = await call('POST', path, other, headers);
    expect([mismatch.status, mismatch.body['code']]).toEqual([422, 'idempotency_mismatch']);
  });
});

describe('idempotency keys', () => {
  it('made one API key, whose secret is not stored', async () => {
    const { body } = await call('GET', KEYS);
    expect((body['keys'] as { user_id: string }[]).filter(({ user_id: user }) => user === 'bob')).toHaveLength(1);
    const made = await call('POST', KEYS, { user_id: 'eve', role: 'viewer' }, { 'idempotency-key': 'eve' });
    expect(made.headers.get('cache-control')).toBe('no-store');
    const { default: pg } = await import('pg');
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query<{ all: string }>(
      'SELECT json_agg(k)::text AS all FROM config.idempotency_keys k',
    );
    await client.end();
    expect(rows[0]?.all).toContain('eve');
    expect(rows[0]?.all).not.toContain(made.body['secret']);
  });

  it('belong to the path that they are sent to, and a refusal does not use one', async () => {
    const headers = { 'idempotency-key': 'shared' };
    const refused = await call('POST', CONFIGS, { name: 'wrong' }, headers);
    expect(refused.status).toBe(400);
    await call('POST', CONFIGS, definition('shared'));
    expect((await call('POST', CONFIGS, definition('shared'), headers)).status).toBe(409);
    expect((await call('POST', CONFIGS, definition('shared two'), headers)).status).toBe(201);
    const elsewhere = await call('POST', DOCUMENTS, { source: 's', content: 'c' }, headers);
    expect([elsewhere.status, elsewhere.body['repeated']]).toEqual([201, undefined]);
  });
});

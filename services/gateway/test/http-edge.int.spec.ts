import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { CONFIG_SCHEMA } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import WebSocket from 'ws';
import { KEYS } from './fake-platform.js';
import { startUnderTest } from './gateway-under-test.js';
import type { UnderTest } from './gateway-under-test.js';

const CONFIGS = '/api/v1/orchestrations/configs';
const ORIGIN = 'https://console.example';
const auth = { authorization: `Bearer ${KEYS.operator}` };

let under: UnderTest;
beforeAll(async () => {
  under = await startUnderTest({ BATUTA_GATEWAY_CORS_ORIGINS: `${ORIGIN},http://localhost:5173` });
  under.fake.putConfig('greeting');
  under.fake.putConfig('large', { description: 'long '.repeat(1_000) });
});
afterAll(() => under?.close());

/** Sends these bytes and returns everything that comes back until the end. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(under.gateway.port, '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk));
    socket.on('end', () => resolve(answer)).on('error', reject);
  });
}

interface Plain {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** A request whose answer is not decompressed. */
function plain(method: string, path: string, headers: Record<string, string> = {}): Promise<Plain> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(`${under.gateway.url}${path}`, { method, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
      );
    });
    sent.on('error', reject).end();
  });
}

describe('headers that decide whose a request is', () => {
  it.each([
    ['Host', 'Host: a\r\nHost: b\r\n'],
    ['host in another case', 'Host: a\r\nhOST: a\r\n'],
    ['Authorization', `Host: a\r\nAuthorization: Bearer ${KEYS.viewer}\r\nauthorization: Bearer ${KEYS.admin}\r\n`],
  ])('are refused when they occur twice: %s', async (_, headers) => {
    for (const upgrade of ['', 'Connection: Upgrade\r\nUpgrade: websocket\r\n']) {
      const answer = await raw(
        `GET ${CONFIGS} HTTP/1.1\r\n${headers}${upgrade === '' ? 'Connection: close\r\n' : upgrade}\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect(answer).toContain('"repeated_parameter"');
    }
  });
});

describe('the schema of configs', () => {
  it('is served to everybody, kept by caches, and not sent again', async () => {
    const answer = await plain('GET', '/schemas/config.json');
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/schema+json; charset=utf-8']);
    expect(answer.headers['cache-control']).toBe('public, max-age=3600');
    expect(JSON.parse(answer.body.toString())).toEqual(JSON.parse(JSON.stringify(CONFIG_SCHEMA)));
    const known = await plain('GET', '/schemas/config.json', { 'if-none-match': String(answer.headers.etag) });
    expect([known.status, known.body.length]).toEqual([304, 0]);
    expect(
      (await plain('GET', '/schemas/config.json', { 'accept-encoding': 'gzip' })).headers['content-encoding'],
    ).toBe('gzip');
  });
});

describe('methods', () => {
  it.each([
    [CONFIGS, 'GET, HEAD, OPTIONS, POST'],
    [`${CONFIGS}/greeting`, 'DELETE, GET, HEAD, OPTIONS, PATCH, PUT'],
    [`${CONFIGS}/greeting/restore`, 'OPTIONS, POST'],
    ['/api/v1/orchestrations/callbacks/deliveries', 'GET, HEAD, OPTIONS'],
    ['/api/v1/orchestrations/callbacks/some-id', 'DELETE, GET, HEAD, OPTIONS'],
    ['/api/v1/orchestrations/callbacks/secret/rotate', 'OPTIONS, POST'],
    ['/metrics', 'GET, HEAD, OPTIONS'],
    ['/ws/notifications', 'GET, OPTIONS'],
    ['*', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'],
  ])('OPTIONS %s and a 405 there say %s', async (path, allow) => {
    const options = await raw(`OPTIONS ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    expect(options).toMatch(/^HTTP\/1\.1 204 /);
    expect(options.toLowerCase()).toContain(`\r\nallow: ${allow.toLowerCase()}\r\n`);
    if (path === '*') return;
    for (const method of allow.split(', ').includes('PUT') ? ['POST'] : ['PUT']) {
      const refused = await plain(method, path, auth);
      expect([refused.status, refused.headers.allow]).toEqual([405, allow]);
    }
  });

  it('every method that is allowed is served', async () => {
    for (const [path, item] of Object.entries(
      (await under.call('GET', '/docs-json', { key: null })).body['paths'] as Record<string, object>,
    )) {
      const concrete = path.replaceAll(/\{\w+\}/g, 'x');
      const { headers } = await plain('OPTIONS', concrete);
      for (const method of Object.keys(item)) expect(headers.allow?.split(', ')).toContain(method.toUpperCase());
    }
  });

  it('answers 404 to OPTIONS of an unknown path, and to ids that are too long', async () => {
    expect((await plain('OPTIONS', '/nothing')).status).toBe(404);
    for (const path of [`${CONFIGS}/${'a'.repeat(2_000)}`, `/api/v1/agents/${'a'.repeat(3_000)}`]) {
      const answer = await under.call('GET', path);
      expect([answer.status, answer.body['code']]).toEqual([404, 'not_found']);
    }
  });
});

describe('paths of WebSockets', () => {
  it.each([
    '/ws/notifications',
    '/ws/executions/0193aaaa-0000-7000-8000-000000000000/monitor',
    '/api/v1/orchestrations/ws/execute/greeting',
  ])('%s without an upgrade gets 426', async (path) => {
    const answer = await under.call('GET', path);
    expect([answer.status, answer.body['code']]).toEqual([426, 'upgrade_required']);
    const bare = await plain('GET', path, auth);
    expect([bare.headers.upgrade, bare.headers.connection?.toLowerCase()]).toEqual([
      'websocket',
      expect.stringContaining('upgrade'),
    ]);
  });

  it.each(['//', '//ws/notifications', '//evil.example/ws/notifications', '/%'])(
    'an upgrade of %s is not an internal error',
    async (path) => {
      const answer = await raw(
        `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      );
      expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    },
  );

  it('never answers with the key as subprotocol', async () => {
    const url = `${under.gateway.url.replace('http', 'ws')}/ws/notifications`;
    const protocolFor = (offered: string[]): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(url, offered);
        socket.on('open', () => {
          resolve(socket.protocol);
          socket.terminate();
        });
        socket.on('unexpected-response', (_, answer) => resolve(String(answer.statusCode)));
        socket.on('error', reject);
      });
    const key = `batuta.bearer.${KEYS.operator}`;
    expect(await protocolFor([key, 'batuta.v1'])).toBe('batuta.v1');
    expect(await protocolFor([key, 'other'])).toBe('other');
    expect(await protocolFor([key])).toBe('400');
  });
});

describe('X-Request-Id', () => {
  it('is the caller’s when it is valid, and else a new one, in every answer', async () => {
    for (const [path, status] of [
      [`${CONFIGS}/greeting`, 200],
      [`${CONFIGS}/none`, 404],
      ['/nothing', 404],
      ['/health/live', 200],
      [`${CONFIGS}/%zz`, 400],
    ] as const) {
      const given = await under.call('GET', path, { headers: { 'x-request-id': 'job-7:a/b' } });
      expect([given.status, given.headers.get('x-request-id')]).toEqual([status, 'job-7:a/b']);
      if (status !== 200) expect(given.body['request_id']).toBe('job-7:a/b');
      for (const unfit of ['', 'a b', 'a"b', '<x>', 'x'.repeat(129)]) {
        const made = await under.call('GET', path, { headers: { 'x-request-id': unfit } });
        expect(made.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
      }
    }
    const unauthorised = await under.call('GET', CONFIGS, { key: null });
    expect(unauthorised.body['request_id']).toBe(unauthorised.headers.get('x-request-id'));
  });

  it('is in answers below the routes and in upgrades', async () => {
    const upgrade = 'Host: a\r\nX-Request-Id: mine\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
    const handshake = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
    const refused = await raw(`GET /ws/notifications HTTP/1.1\r\n${upgrade}${handshake}\r\n`);
    expect(refused).toMatch(/^HTTP\/1\.1 401 [^]*\r\nX-Request-Id: mine\r\n[^]*"request_id":"mine"/);
    expect(await raw('nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 [^]*\r\nX-Request-Id: [0-9a-f-]{36}\r\n/);
    const id = await new Promise((resolve, reject) => {
      const socket = new WebSocket(`${under.gateway.url.replace('http', 'ws')}/ws/notifications`, {
        headers: { ...auth, 'x-request-id': 'mine' },
      });
      socket.on('upgrade', ({ headers }) => resolve(headers['x-request-id']));
      socket.on('open', () => socket.terminate()).on('error', reject);
    });
    expect(id).toBe('mine');
  });
});

describe('compression', () => {
  it.each([
    ['gzip', gunzipSync],
    ['br', brotliDecompressSync],
  ] as const)('%s, with an entity tag of its own that works in both directions', async (coding, decompress) => {
    const headers = { ...auth, 'accept-encoding': coding };
    const whole = await plain('GET', `${CONFIGS}/large`, auth);
    const packed = await plain('GET', `${CONFIGS}/large`, headers);
    expect([whole.headers['content-encoding'], packed.headers['content-encoding']]).toEqual([undefined, coding]);
    expect(decompress(packed.body)).toEqual(whole.body);
    expect(packed.body.length).toBeLessThan(whole.body.length / 2);
    for (const { headers: answered } of [whole, packed]) expect(answered.vary).toContain('Accept-Encoding');
    const tag = String(packed.headers.etag);
    expect([whole.headers.etag, tag]).toEqual(['"1"', `"1-${coding}"`]);
    const again = await plain('GET', `${CONFIGS}/large`, { ...headers, 'if-none-match': tag });
    expect([again.status, again.headers.etag, again.body.length]).toEqual([304, tag, 0]);
    const put = await under.call('PUT', `${CONFIGS}/none-but-412`, { body: {}, headers: { 'if-match': tag } });
    expect(put.status).toBe(404);
  });

  it('lets a client edit a compressed answer and save it, once', async () => {
    under.fake.putConfig('edited', { description: 'long '.repeat(1_000) });
    const seen = await under.call('GET', `${CONFIGS}/edited`);
    expect(seen.headers.get('content-encoding')).not.toBeNull();
    const save = () =>
      under.call('PUT', `${CONFIGS}/edited`, {
        body: seen.body,
        headers: { 'if-match': seen.headers.get('etag') ?? '' },
      });
    expect((await save()).status).toBe(200);
    expect((await save()).status).toBe(412);
  });

  it('does not compress small answers, secrets, or for clients that refuse the coding', async () => {
    const coded = async (path: string, accept: string) =>
      (await plain('GET', path, { ...auth, 'accept-encoding': accept })).headers['content-encoding'];
    expect(await coded('/health/live', 'gzip')).toBeUndefined();
    expect(await coded('/metrics', 'gzip')).toBe('gzip');
    expect(await coded('/metrics', 'gzip;q=0, br;q=0')).toBeUndefined();
    expect(await coded('/metrics', 'gzip;q=0.5, br')).toBe('br');
    expect(await coded('/metrics', 'identity')).toBeUndefined();
    expect(await coded('/docs/swagger-ui-bundle.js', 'gzip')).toBe('gzip');
    await withHandler(
      'batuta.config.key.create',
      () => ({ key: { id: 'k', name: 'n'.repeat(3_000) }, secret: 's', etag: 't' }),
      async () => {
        const made = await under.call('POST', '/api/v1/api-keys', {
          key: KEYS.admin,
          body: { user_id: 'ada', role: 'viewer' },
        });
        expect([made.status, made.headers.get('cache-control'), made.headers.get('content-encoding')]).toEqual([
          201,
          'no-store',
          null,
        ]);
        expect(made.headers.get('location')).toBe('/api/v1/api-keys/k');
      },
    );
  });
});

async function withHandler(pattern: string, handler: () => unknown, work: () => Promise<void>): Promise<void> {
  const before = under.fake.handlers.get(pattern);
  under.fake.handlers.set(pattern, handler);
  try {
    await work();
  } finally {
    if (before === undefined) under.fake.handlers.delete(pattern);
    else under.fake.handlers.set(pattern, before);
  }
}

describe('GETs', () => {
  it('of every resource answer 304 to a reader with the current tag', async () => {
    const started = await under.call('POST', '/api/v1/orchestrations/execute/greeting', { body: {} });
    const id = String(started.body['execution_id']);
    for (const path of [
      `${CONFIGS}/greeting`,
      CONFIGS,
      `${CONFIGS}/greeting/versions/1`,
      `/api/v1/orchestrations/executions/${id}`,
      `/api/v1/orchestrations/executions/${id}/events`,
      `/api/v1/orchestrations/status/${String(started.body['trace_id'])}`,
    ]) {
      const seen = await plain('GET', path, auth);
      const etag = String(seen.headers.etag);
      expect([path, seen.status, etag]).toEqual([path, 200, expect.stringMatching(/^(W\/)?"[^"]+"$/)]);
      for (const tags of [etag, '*', `"x", W/${etag.replace('W/', '')}`]) {
        const again = await plain('GET', path, { ...auth, 'if-none-match': tags });
        expect([path, again.status, again.body.length, again.headers.etag]).toEqual([path, 304, 0, etag]);
      }
      expect((await plain('GET', path, { ...auth, 'if-none-match': '"x"' })).status).toBe(200);
      const head = await plain('HEAD', path, { ...auth, 'if-none-match': etag });
      expect(head.status).toBe(304);
    }
  });
});

describe('preconditions of a change', () => {
  it.each<[string, Record<string, string>, number]>([
    ['the tag', { 'if-match': '"1"' }, 200],
    ['a weak tag', { 'if-match': 'W/"1"' }, 412],
    ['a list with the tag', { 'if-match': '"7", "1"' }, 200],
    ['a list without it', { 'if-match': '"7", W/"1"' }, 412],
    ['*', { 'if-match': '*' }, 200],
    ['nothing that is a tag', { 'if-match': '1' }, 400],
    ['If-None-Match: *', { 'if-none-match': '*' }, 412],
    ['If-None-Match with a weak tag', { 'if-none-match': 'W/"1"' }, 412],
    ['If-None-Match with another', { 'if-none-match': '"2"' }, 200],
  ])('%s', async (_, headers, status) => {
    under.fake.configs.delete('conditional');
    under.fake.putConfig('conditional');
    for (const method of ['PUT', 'PATCH'] as const) {
      if (method === 'PATCH' && status === 200) continue;
      const answer = await under.call(method, `${CONFIGS}/conditional`, { body: {}, headers });
      expect([method, answer.status]).toEqual([method, status]);
      if (status === 400) expect(answer.body.errors?.[0]?.path).toBe('/headers/if-match');
    }
  });
});

describe('pages of other origins', () => {
  const preflight = { origin: ORIGIN, 'access-control-request-method': 'PUT' };

  it('are answered when their origin is set, also where the key is wrong', async () => {
    const asked = await plain('OPTIONS', `${CONFIGS}/greeting`, preflight);
    expect(asked.status).toBe(204);
    expect(asked.headers).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-methods': expect.stringContaining('PUT'),
      'access-control-allow-headers': expect.stringMatching(/Authorization.*If-Match/),
    });
    for (const headers of [auth, {}]) {
      const answer = await plain('GET', `${CONFIGS}/greeting`, { ...headers, origin: ORIGIN });
      expect(answer.headers['access-control-allow-origin']).toBe(ORIGIN);
      expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
      expect(answer.headers['access-control-expose-headers']).toContain('ETag');
      expect(answer.headers.vary).toContain('Origin');
    }
  });

  it.each(['https://evil.example', 'null', `${ORIGIN}.evil.example`, 'http://console.example'])(
    'get nothing for the origin %s',
    async (origin) => {
      const asked = await plain('OPTIONS', `${CONFIGS}/greeting`, { ...preflight, origin });
      const answer = await plain('GET', `${CONFIGS}/greeting`, { ...auth, origin });
      for (const { headers } of [asked, answer]) expect(headers['access-control-allow-origin']).toBeUndefined();
    },
  );
});

describe('security headers', () => {
  it('are on every answer, and let the documentation work', async () => {
    for (const path of ['/', '/nothing', CONFIGS, '/docs', '/docs/swagger-ui.css']) {
      const { headers } = await plain('GET', path);
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'content-security-policy': expect.stringContaining("frame-ancestors 'none'"),
      });
    }
    const policy = (await plain('GET', '/docs')).headers['content-security-policy'];
    expect(policy).toContain("script-src 'self'");
    const page = (await plain('GET', '/docs')).body.toString();
    expect(page).not.toMatch(/<script(?![^>]*\bsrc=)/);
    // The page keeps the key when it is reloaded.
    const start = (await plain('GET', '/docs/swagger-ui-init.js')).body.toString();
    expect(start).toMatch(/"persistAuthorization":\s*true/);
  });
});

describe('an upload that is cut off', () => {
  it('is counted as closed by the client, and not as an internal error', async () => {
    const counted = async (): Promise<string[]> =>
      (await under.call('GET', '/metrics', { key: null })).text
        .split('\n')
        .filter((line) => /^batuta_gateway_http_request_seconds_count\{.*route="[^"]*configs"/.test(line));
    const socket = connect(under.gateway.port, '127.0.0.1', () => {
      socket.write(
        `POST ${CONFIGS} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${KEYS.operator}\r\n` +
          'Expect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"name": ',
      );
    });
    // The answer to `Expect` shows that the request has begun.
    socket.once('data', () => socket.destroy());
    await eventually(async () => (await counted()).some((line) => line.includes('status="499"')));
    expect((await counted()).filter((line) => /status="5/.test(line))).toEqual([]);
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MISTAKES, REFUSALS } from '@batuta/contracts';
import type { RefusalCode, RefusalMeaning } from '@batuta/contracts';
import { createConnection } from 'node:net';
import { KEYS } from './fake-platform.js';
import { startUnderTest } from './gateway-under-test.js';
import type { Answer, UnderTest } from './gateway-under-test.js';

const EXECUTE = '/api/v1/orchestrations/execute/greeting';
const CONFIGS = '/api/v1/orchestrations/configs';

describe('bad input', () => {
  let under: UnderTest;
  beforeAll(async () => {
    under = await startUnderTest({ BATUTA_GATEWAY_BODY_LIMIT: '64KiB' });
    under.fake.putConfig('greeting');
  });
  afterAll(async () => {
    await under.close();
  });

  /** The answer must be problem details with this code, and nothing may have been started or changed. */
  async function expectRefusal(answer: Promise<Answer>, status: number, code: string): Promise<Answer> {
    const got = await answer;
    expect({ status: got.status, code: got.body['code'] }).toEqual({ status, code });
    expect(status).toBe(REFUSALS[code as RefusalCode].status);
    const meaning: RefusalMeaning = REFUSALS[code as RefusalCode];
    if (meaning.mistake !== undefined) {
      expect(got.body.errors).not.toHaveLength(0);
      for (const { path, code: mistake, message } of got.body.errors ?? []) {
        expect(path).toMatch(/^(\/|$)/);
        expect(Object.keys(MISTAKES)).toContain(mistake);
        expect(message).not.toBe('');
      }
    }
    expect(got.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(got.body).toMatchObject({ type: `urn:batuta:problem:${code}`, status, code });
    expect(String(got.body['title'])).not.toBe('');
    expect(got.text).not.toMatch(/\bat .*\.[jt]s:\d+/);
    expect(got.text).not.toContain('node_modules');
    expect(under.fake.executions.size).toBe(0);
    expect([...under.fake.configs.keys()]).toEqual(['greeting']);
    return got;
  }
  const post = (raw: string | Buffer, headers?: Record<string, string>): Promise<Answer> =>
    under.call('POST', EXECUTE, { raw, ...(headers === undefined ? {} : { headers }) });

  it.each([
    ['{"input": 1,}', 12],
    ['{"input": nul}', 10],
    ['{"a" 1}', 5],
    ['[1, 2', 5],
    ['{"a":"\n"}', 6],
    ['{"a":"\\x"}', 6],
    ['01', 1],
  ])('names the position of the mistake in %j', async (raw, position) => {
    const { body } = await expectRefusal(post(raw), 400, 'malformed_json');
    expect(body['details']).toEqual({ position });
    expect(body['detail']).toContain(`position ${position}`);
  });

  it('refuses a missing body, and bytes that are not UTF-8', async () => {
    await expectRefusal(under.call('POST', CONFIGS, { raw: '' }), 400, 'validation_failed');
    await expectRefusal(under.call('POST', CONFIGS), 400, 'validation_failed');
    await expectRefusal(post(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])), 400, 'malformed_json');
  });

  it('refuses wrong types and unknown fields, all of them with their paths', async () => {
    const answer = under.call('POST', EXECUTE, { body: { session_id: 5, extra: 1, another: 2, metadata: [] } });
    const { body } = await expectRefusal(answer, 400, 'validation_failed');
    const found = new Set(body.errors?.map(({ path, code }) => `${path} ${code}`));
    for (const expected of [
      '/extra unknown_field',
      '/another unknown_field',
      '/session_id wrong_type',
      '/metadata wrong_type',
    ]) {
      expect(found).toContain(expected);
    }
  });

  it.each([
    ['__proto__', 'reserved_name'],
    ['.', 'reserved_name'],
    ['a\u200db', 'invalid_character'],
    ['a\u2066b', 'invalid_character'],
    ['a\r\nb', 'invalid_character'],
    ['o\u0308', 'bad_format'],
    [' a', 'bad_format'],
  ])('refuses %j as a name, everywhere', async (name, code) => {
    const admin = { key: KEYS.admin };
    const fork = '/api/v1/orchestrations/executions/00000000-0000-7000-8000-000000000000/fork';
    const named: [string, Promise<Answer>][] = [
      ['/session_id', under.call('POST', EXECUTE, { body: { session_id: name } })],
      ['/user_id', under.call('POST', '/api/v1/api-keys', { ...admin, body: { user_id: name, role: 'viewer' } })],
      ['/name', under.call('POST', '/api/v1/api-keys', { ...admin, body: { user_id: 'ada', role: 'viewer', name } })],
      ['/source', under.call('POST', '/api/v1/knowledge/documents', { body: { source: name, content: 'a' } })],
      ['/session_id', under.call('POST', fork, { body: { from_step_id: 'a', session_id: name } })],
    ];
    if (name !== '__proto__') {
      named.push([`/metadata/${name}`, under.call('POST', EXECUTE, { body: { metadata: { [name]: 1 } } })]);
    }
    for (const [path, answer] of named) {
      const { body } = await expectRefusal(answer, 400, 'validation_failed');
      expect(body.errors).toEqual([{ path, code, message: expect.any(String) }]);
    }
  });

  it('treats null in an optional field as absent', async () => {
    const body = { session_id: null, metadata: null, callback_url: null, start_at: null, priority: null };
    const answer = await under.call('POST', EXECUTE, {
      body: { ...body, input: { kept: null }, budget: { max_tokens: 5, max_cost: null } },
    });
    expect(answer.status).toBe(202);
    const { data } = under.fake.asked.filter(({ pattern }) => pattern === 'command').at(-1) ?? {};
    expect(data?.['start']).toEqual({
      configId: 'greeting',
      configVersion: 1,
      traceId: expect.any(String),
      input: { kept: null },
      budget: { maxTokens: 5 },
    });
    under.fake.executions.clear();
  });

  it.each(['[]', '5', 'null', '"text"'])('refuses the body %s, which is not an object', async (raw) => {
    await expectRefusal(post(raw), 400, 'validation_failed');
    await expectRefusal(under.call('POST', CONFIGS, { raw }), 400, 'validation_failed');
  });

  it('refuses a callback_url that is not an http URL', async () => {
    await expectRefusal(
      under.call('POST', EXECUTE, { body: { callback_url: 'file:///etc/passwd' } }),
      400,
      'validation_failed',
    );
  });

  it.each(['http://user:pw@hooks.example/', 'https://user@hooks.example/', 'https://:pw@hooks.example/'])(
    'refuses %s as callback_url, because it would be stored and shown',
    async (callback_url) => {
      await expectRefusal(under.call('POST', EXECUTE, { body: { callback_url } }), 400, 'validation_failed');
    },
  );

  it('refuses JSON that is nested too deep, without exhausting the stack', async () => {
    const nest = (levels: number): string => `{"input":${'['.repeat(levels)}${']'.repeat(levels)}}`;
    await expectRefusal(post(nest(64)), 400, 'too_deep');
    await expectRefusal(post(nest(30_000)), 400, 'too_deep');
  });

  it.each(['__proto__', 'constructor', 'prototype', '\\u005f_proto__'])(
    'refuses the key %s and names its path',
    async (key) => {
      const { body } = await expectRefusal(
        post(`{"input":{"a":[{"${key}":{"polluted":true}}]}}`),
        400,
        'forbidden_key',
      );
      expect(body.errors?.[0]?.path).toMatch(/^\/input\/a\/0\/(?:__proto__|constructor|prototype)$/);
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    },
  );

  it.each([
    ['{"input":{"a":"x\\u0000y"}}', '/input/a'],
    ['{"input":["\\ud800"]}', '/input/0'],
    ['{"input":{"\\udc00":1}}', '/input/\ufffd'],
    ['{"input":{"k\\u0000":1}}', '/input/k\u2400'],
    ['{"input":1e999}', '/input'],
  ])('refuses %s, which cannot be stored, and names the path', async (raw, path) => {
    const { body } = await expectRefusal(post(raw), 400, 'validation_failed');
    expect(body.errors?.[0]?.path).toBe(path);
  });

  it('accepts emoji, escaped pairs and duplicate keys', async () => {
    under.fake.finishAtOnce = true;
    const answer = await under.call('POST', `${EXECUTE}?wait=5s`, {
      raw: '{"input":1,"input":"\\ud83d\\ude00 \u{1f600}"}',
    });
    expect(answer.body['output']).toEqual({ echoed: '\u{1f600} \u{1f600}' });
    under.fake.executions.clear();
  });

  it('refuses a body that is too large and names the limit', async () => {
    const { body } = await expectRefusal(post(`{"input":"${'x'.repeat(70_000)}"}`), 413, 'payload_too_large');
    expect(body['detail']).toContain('65536');
  });

  it('refuses other media types, charsets and encodings', async () => {
    for (const headers of [
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/x-www-form-urlencoded' },
      { 'content-type': 'application/json; charset=latin1' },
      { 'content-encoding': 'gzip' },
    ]) {
      await expectRefusal(post('{}', headers as Record<string, string>), 415, 'unsupported_media_type');
    }
  });

  it('answers 401 to wrong keys before any other check', async () => {
    for (const key of [null, 'wrong-key-wrong-key', '', 'x'.repeat(1000)]) {
      const got = await expectRefusal(
        under.call('POST', '/api/v1/nothing/here', { key, raw: '{' }),
        401,
        'unauthenticated',
      );
      expect(got.headers.get('www-authenticate')).toMatch(/^Bearer realm="batuta"/);
    }
    await expectRefusal(
      under.call('GET', CONFIGS, { key: null, headers: { authorization: `Basic ${KEYS.admin}` } }),
      401,
      'unauthenticated',
    );
  });

  it.each([
    '/api/v1/orchestrations/executions/none',
    '/api/v1/orchestrations/executions/00000000-0000-7000-8000-000000000000',
    '/api/v1/orchestrations/executions/none/events',
    '/api/v1/orchestrations/executions/none/steps',
    '/api/v1/orchestrations/executions/none/result',
    '/api/v1/orchestrations/status/none',
    `/api/v1/orchestrations/status/${'a'.repeat(32)}`,
    '/api/v1/orchestrations/configs/none',
    '/api/v1/orchestrations/configs/greeting/versions/0',
    '/api/v1/orchestrations/configs/greeting/versions/9',
    '/api/v1/agents/none',
    '/api/v1/nothing',
  ])('answers 404 to %s', async (path) => {
    await expectRefusal(under.call('GET', path), 404, 'not_found');
  });

  it('answers 404 to a start of an unknown config and a cancel of an unknown execution', async () => {
    await expectRefusal(under.call('POST', '/api/v1/orchestrations/execute/none', { body: {} }), 404, 'not_found');
    await expectRefusal(under.call('POST', '/api/v1/orchestrations/executions/none/cancel'), 404, 'not_found');
  });

  it('answers 405 with the allowed methods', async () => {
    const got = await expectRefusal(under.call('POST', `${CONFIGS}/greeting`, { body: {} }), 405, 'method_not_allowed');
    expect(got.headers.get('allow')).toBe('DELETE, GET, HEAD, OPTIONS, PATCH, PUT');
    const execute = await expectRefusal(under.call('GET', EXECUTE), 405, 'method_not_allowed');
    expect(execute.headers.get('allow')).toBe('OPTIONS, POST');
  });

  it.each([
    ['/api/v1/orchestrations/executions?limit=0', '/limit out_of_range'],
    ['/api/v1/orchestrations/executions?limit=201', '/limit out_of_range'],
    ['/api/v1/orchestrations/executions?limit=-1', '/limit out_of_range'],
    ['/api/v1/orchestrations/executions?limit=ten', '/limit wrong_type'],
    ['/api/v1/orchestrations/executions?limit=5&limit=6', '/limit repeated_parameter'],
    ['/api/v1/orchestrations/executions?status=done', '/status not_allowed'],
    ['/api/v1/orchestrations/executions?created_from=yesterday', '/created_from bad_format'],
    ['/api/v1/orchestrations/executions?colour=red', '/colour unknown_parameter'],
    ['/api/v1/orchestrations/executions?__proto__=1', '/__proto__ unknown_parameter'],
    ['/api/v1/orchestrations/executions?cursor=', '/cursor bad_cursor'],
    ['/api/v1/orchestrations/executions?user=', '/user too_short'],
    [`/api/v1/orchestrations/executions?user=${'x'.repeat(256)}`, '/user too_long'],
    ['/api/v1/orchestrations/configs?strategy=magic', '/strategy not_allowed'],
    ['/api/v1/orchestrations/configs?include_deleted=maybe', '/include_deleted not_allowed'],
    ['/api/v1/knowledge/search', '/q required'],
    ['/api/v1/agents?q=1', '/q unknown_parameter'],
    ['/api/v1/agents?q=%ff', '/url bad_format'],
    ['/api/v1/agents?q=%zz', '/url bad_format'],
    ['/api/v1/agents?q=a%00b', '/url invalid_character'],
  ])('refuses the query of %s', async (path, mistake) => {
    const { body } = await expectRefusal(under.call('GET', path), 400, 'validation_failed');
    expect(body.errors?.map((error) => `${error.path} ${error.code}`)).toEqual([mistake]);
  });

  it.each([
    '2030-02-30T00:00:00Z',
    '2030-01-01T24:00:00Z',
    '2030-13-01T00:00:00Z',
    '2030-12-31T23:59:60Z',
    '2030-01-01T00:00:00+24:00',
    '2030-01-01T00:00:00-10:60',
    '2030-01-01',
  ])('refuses the time %s, which does not exist, everywhere', async (time) => {
    const encoded = encodeURIComponent(time);
    const answers = {
      '/start_at': under.call('POST', EXECUTE, { body: { start_at: time } }),
      '/created_from': under.call('GET', `/api/v1/orchestrations/executions?created_from=${encoded}`),
      '/created_to': under.call('GET', `/api/v1/orchestrations/executions?created_to=${encoded}`),
      '/expires_at': under.call('POST', '/api/v1/api-keys', {
        key: KEYS.admin,
        body: { user_id: 'ada', role: 'viewer', expires_at: time },
      }),
    };
    for (const [path, answer] of Object.entries(answers)) {
      const { body } = await expectRefusal(answer, 400, 'validation_failed');
      expect(body.errors).toEqual([
        { path, code: expect.any(String), message: expect.stringContaining('RFC 3339 time that exists') },
      ]);
    }
  });

  it.each(['0ms', '61s', '30', '-1s', '1h', '1e3s'])('refuses to wait %s', async (wait) => {
    await expectRefusal(under.call('POST', `${EXECUTE}?wait=${wait}`, { body: {} }), 400, 'validation_failed');
  });

  it('refuses wrong values of its own headers', async () => {
    const key = await expectRefusal(post('{}', { 'idempotency-key': 'two words' }), 400, 'validation_failed');
    expect(key.body.errors).toMatchObject([{ path: '/headers/idempotency-key', code: 'bad_format' }]);
    const put = under.call('PUT', `${CONFIGS}/greeting`, { body: {}, headers: { 'if-match': 'three' } });
    await expectRefusal(put, 400, 'validation_failed');
  });

  it('refuses NUL characters and broken escapes in the path', async () => {
    await expectRefusal(under.call('GET', `${CONFIGS}/a%00b`), 400, 'validation_failed');
    await expectRefusal(under.call('GET', `${CONFIGS}/%zz`), 400, 'validation_failed');
  });

  it('passes on what the config service refuses, with every violation', async () => {
    const answer = under.call('POST', CONFIGS, { body: { name: 'x', strategy: 'parallel' } });
    const { body } = await expectRefusal(answer, 400, 'validation_failed');
    expect(body.errors).toEqual([{ path: '/steps', message: 'steps is required', code: 'required' }]);
    await expectRefusal(under.call('POST', CONFIGS, { body: { name: 'greeting', steps: [] } }), 409, 'name_taken');
  });

  it('answers 500 without a stack when a service behind throws', async () => {
    const answer = await withHandler('batuta.execution.query.list', () => {
      throw new Error('secret internals at /srv/app.ts:3');
    });
    expect([answer.status, answer.body['code']]).toEqual([500, 'internal']);
    expect(answer.text).not.toContain('secret');
  });

  async function withHandler(pattern: string, handler: () => unknown): Promise<Answer> {
    const before = under.fake.handlers.get(pattern);
    under.fake.handlers.set(pattern, handler as never);
    try {
      return await under.call('GET', '/api/v1/orchestrations/executions');
    } finally {
      if (before !== undefined) under.fake.handlers.set(pattern, before);
    }
  }

  /** What the server writes in answer to raw bytes until it closes the connection. */
  function exchange(bytes: string, { gateway } = under): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(gateway.port, '127.0.0.1', () => socket.write(bytes));
      let text = '';
      socket.on('data', (data) => (text += data.toString()));
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
  }

  /** Status, code and mistakes of a raw answer. It must be a problem document with the right length. */
  function problemIn(answer: string): unknown {
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    expect(head).toContain('application/problem+json; charset=utf-8');
    expect(head.toLowerCase()).toContain(`content-length: ${Buffer.byteLength(body)}`);
    const problem = JSON.parse(body) as {
      status: number;
      code: RefusalCode;
      errors?: { path: string; code: string }[];
    };
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${problem.status} `));
    expect(problem.status).toBe(REFUSALS[problem.code].status);
    return [problem.code, ...(problem.errors ?? []).map(({ path, code }) => `${path} ${code}`)];
  }

  const upgrade = (headers: string, path = '/ws/notifications', method = 'GET'): string =>
    `${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n` +
    `authorization: Bearer ${KEYS.operator}\r\n${headers}\r\n`;
  const VERSION = 'sec-websocket-version: 13\r\n';
  const KEY = 'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';

  it.each([
    ['what is no HTTP', 'NONSENSE\r\n\r\n', ['malformed_request', ' malformed_request']],
    ['a broken header', 'GET / HTTP/1.1\r\nhost x\r\n\r\n', ['malformed_request', ' malformed_request']],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
      ['malformed_request', ' malformed_request'],
    ],
    [
      'headers that are too large',
      `GET / HTTP/1.1\r\nhost: x\r\na: ${'b'.repeat(40_000)}\r\n\r\n`,
      ['headers_too_large', ' too_large'],
    ],
    [
      'no Host',
      'GET /health/live HTTP/1.1\r\nconnection: close\r\n\r\n',
      ['validation_failed', '/headers/host required'],
    ],
    [
      'an expectation',
      'POST / HTTP/1.1\r\nhost: x\r\nexpect: coffee\r\ncontent-length: 2\r\n\r\n{}',
      ['expectation_failed', '/headers/expect not_allowed'],
    ],
    ['CONNECT', 'CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n', ['method_not_allowed']],
    [
      'an upgrade without Host',
      upgrade(VERSION + KEY).replace('host: x\r\n', ''),
      ['validation_failed', '/headers/host required'],
    ],
    ['an upgrade by POST', upgrade(VERSION + KEY, '/ws/notifications', 'POST'), ['method_not_allowed']],
    ['an upgrade without a version', upgrade(KEY), ['upgrade_required']],
    ['an upgrade of another version', upgrade(`sec-websocket-version: 12\r\n${KEY}`), ['upgrade_required']],
    ['an upgrade without a key', upgrade(VERSION), ['validation_failed', '/headers/sec-websocket-key required']],
    [
      'an upgrade with another key',
      upgrade(`${VERSION}sec-websocket-key: short\r\n`),
      ['validation_failed', '/headers/sec-websocket-key bad_format'],
    ],
    [
      'an upgrade with broken subprotocols',
      upgrade(`${VERSION}${KEY}sec-websocket-protocol: a,,b\r\n`),
      ['malformed_request', ' malformed_request'],
    ],
    [
      'an upgrade at a path that is no UTF-8',
      upgrade(VERSION + KEY, '/ws/executions/%ff/monitor'),
      ['validation_failed', '/url bad_format'],
    ],
    ['an upgrade at no route', upgrade(VERSION + KEY, '/ws/nothing'), ['not_found']],
  ])('refuses %s below the routes, as a problem document', async (_, bytes, expected) => {
    expect(problemIn(await exchange(bytes))).toEqual(expected);
    expect(under.fake.executions.size).toBe(0);
  });

  it.each([
    ['headers that never end', 'GET / HTTP/1.1\r\nhost: x\r\n'],
    [
      'a body that never ends',
      `POST ${EXECUTE} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${KEYS.operator}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{`,
    ],
  ])('refuses %s, as a problem document', async (_, bytes) => {
    // A gateway with short limits of its own, because a busy test machine may send slowly.
    const hasty = await startUnderTest({
      BATUTA_GATEWAY_HEADERS_TIMEOUT: '400ms',
      BATUTA_GATEWAY_REQUEST_TIMEOUT: '800ms',
    });
    try {
      expect(problemIn(await exchange(bytes, hasty))).toEqual(['request_timeout']);
      expect(hasty.fake.executions.size).toBe(0);
    } finally {
      await hasty.close();
    }
  });

  it('takes a request of HTTP/1.0 without Host', async () => {
    expect(await exchange('GET /health/live HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.[01] 200 /);
  });

  it.each(['pause', 'steps/a.b/skip', 'steps/a%20b/approve', `steps/${'x'.repeat(65)}/reject`])(
    'does not find a step with an invalid id: %s',
    async (path) => {
      const execution = '/api/v1/orchestrations/executions/00000000-0000-7000-8000-000000000000';
      const isStep = path.startsWith('steps/');
      await expectRefusal(under.call('POST', `${execution}/${path}`), 404, isStep ? 'step_not_found' : 'not_found');
    },
  );

  it('ignores the offer of another protocol', async () => {
    const body = '{"input":1}';
    const answer = await exchange(
      `POST ${EXECUTE} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAA\r\n` +
        `authorization: Bearer ${KEYS.operator}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}` +
        'GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 202 [^]*HTTP\/1\.1 200 /);
    under.fake.executions.clear();
  });
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { JsonObject } from '@batuta/contracts';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createNetServer } from 'node:net';
import type { AddressInfo, Server as NetServer } from 'node:net';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { HiddenValues } from '@batuta/observability';
import { addressPolicy, GuardedClient } from '@batuta/outbound-http';
import type { Resolve } from '@batuta/outbound-http';
import { testContext } from '../../test/test-context.js';
import { RetryableError, TerminalError } from '@batuta/worker';
import { httpAgent } from './http.js';

describe('the http agent', () => {
  let server: Server;
  let port: number;
  let clients: GuardedClient[] = [];
  let seen: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[] = [];
  let answer: (request: IncomingMessage, response: ServerResponse) => void;

  beforeAll(async () => {
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method = '', url = '', headers } = request;
        seen.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
        answer(request, response);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
  });
  afterEach(async () => {
    await Promise.all(clients.map((client) => client.close()));
    clients = [];
    seen = [];
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const call = async (
    input: JsonObject,
    options: { allowed?: string[]; resolve?: Resolve; redact?: (text: string) => string } = {},
  ): Promise<JsonObject> => {
    const client = new GuardedClient(addressPolicy(options.allowed ?? [`127.0.0.1:${port}`]), options.resolve);
    clients.push(client);
    const context = testContext(options.redact === undefined ? {} : { redact: options.redact });
    return (await httpAgent(client).run({ url: `http://127.0.0.1:${port}/`, ...input }, context)) as JsonObject;
  };
  const codeOf = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => 'done',
      (error: unknown) => (error instanceof RetryableError || error instanceof TerminalError ? error.code : error),
    );
  const json = (response: ServerResponse, status: number, body: unknown): unknown =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

  it('sends method, headers, query and body, and gives code, headers and JSON of the answer', async () => {
    answer = (_request, response) => json(response, 201, { id: 7 });
    const output = await call({ method: 'post', headers: { 'X-A': 'b' }, query: { q: ['x y', 1] }, body: { a: [1] } });
    expect(output).toMatchObject({ status: 201, body: { id: 7 }, redirects: 0 });
    expect(seen[0]).toMatchObject({
      method: 'POST',
      url: '/?q=x+y&q=1',
      body: '{"a":[1]}',
      headers: expect.objectContaining({
        'x-a': 'b',
        'content-type': 'application/json',
        'idempotency-key': testContext().idempotencyKey,
      }),
    });
  });

  it('reads compressed answers and those that are no JSON', async () => {
    answer = (_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'text/plain' }).end(gzipSync('päckchen'));
    expect(await call({})).toMatchObject({ body: 'päckchen' });
    answer = (_request, response) => response.end(Buffer.from([0xff, 0xfe]));
    expect(await call({})).toMatchObject({ body: { base64: '//4=' } });
  });

  const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
  it.each<[type: string, bytes: Buffer, body: unknown]>([
    ['application/json; charset=iso-8859-1', latin1('{"city":"S\xe3o Paulo"}'), { city: 'São Paulo' }],
    ['application/json; charset="Windows-1252"', latin1('"\x80 5\x9f"'), '€ 5Ÿ'],
    ['application/json', Buffer.from('{"city":"São Paulo"}'), { city: 'São Paulo' }],
    ['application/json', Buffer.from('\ufeff{"a":1}'), { a: 1 }],
    ['application/problem+json; charset=utf8', Buffer.from('{"a":"é"}'), { a: 'é' }],
    ['application/json; charset=utf-16', Buffer.from('\ufeff{"a":"é"}', 'utf16le'), { a: 'é' }],
    ['application/json; charset=us-ascii', Buffer.from('\ufeff{"a":"é"}'), { a: 'é' }],
    ['text/plain; charset=utf-16be', Buffer.from([0x00, 0x68, 0x00, 0xe9]), 'hé'],
    ['text/plain; format=flowed; charset=Shift_JIS', Buffer.from([0x93, 0xfa, 0x96, 0x7b]), '日本'],
    ['text/plain;charset=gb18030', Buffer.from([0xc4, 0xe3]), '你'],
    ['text/html', latin1('<meta charset="iso-8859-2"><p>\xb1'), '<meta charset="iso-8859-2"><p>ą'],
    [
      'application/xml',
      latin1('<?xml version="1.0" encoding="koi8-r"?><a>\xc1</a>'),
      '<?xml version="1.0" encoding="koi8-r"?><a>а</a>',
    ],
    ['text/csv', Buffer.from('\ufeffa;b'), 'a;b'],
    ['text/plain; charset=unheard-of', Buffer.from('plain'), 'plain'],
    ['text/plain', latin1('caf\xe9'), { base64: 'Y2Fm6Q==' }],
    ['image/png', Buffer.from([0xff, 0xfe, 0x00, 0x41]), { base64: '//4AQQ==' }],
    ['application/json', Buffer.from('{"half":'), '{"half":'],
  ])('reads %s in its charset', async (type, bytes, body) => {
    answer = (_request, response) => response.writeHead(200, { 'content-type': type }).end(bytes);
    expect((await call({}))['body']).toEqual(body);
  });

  it.each([
    ['application/json', 'is not text in utf-8'],
    ['application/json; charset=unheard-of', 'names the charset "unheard-of", which is not known'],
    ['text/plain; charset=utf-8', 'is not text in utf-8'],
  ])('reports that %s cannot be read, instead of returning something else', async (type, problem) => {
    answer = (_request, response) => response.writeHead(200, { 'content-type': type }).end(latin1('"caf\xe9"'));
    const failing = call({});
    await expect(failing).rejects.toThrow(`The answer of 127.0.0.1:${port} ${problem}.`);
    expect(await codeOf(failing)).toBe('response_invalid');
    answer = (_request, response) => response.writeHead(503, { 'content-type': type }).end(latin1('"caf\xe9"'));
    expect(await codeOf(call({}))).toBe('http_status');
  });

  // Made by zstd 1.5.4.
  const ZSTD = Buffer.from('KLUv/QRoiQAAcMOkY2tjaGVuIGluIHpzdGSQxGpn', 'base64');
  const ZSTD_OF_GZIP = Buffer.from('KLUv/QRoKQEAH4sIAAAAAAACAys4vCQ5OzkjNU8hM0+hqrgkBQDwDcLyEQAAAI+NSQk=', 'base64');
  const ZSTD_ZEROS = Buffer.from('KLUv/QRoTAAACAABAPz/ORACAgAQAAIAEAACABAAAgAQAAIAEAACABAAAxIKAMyuyjk=', 'base64');
  const ZEROS = gzipSync(Buffer.alloc(1_000_000));
  it.each<[encoding: string, bytes: Buffer]>([
    ['deflate', deflateSync('päckchen in zstd')],
    ['deflate', deflateRawSync('päckchen in zstd')],
    ['X-Gzip', gzipSync('päckchen in zstd')],
    ['br', brotliCompressSync('päckchen in zstd')],
    ['zstd', ZSTD],
    ['gzip, zstd , identity', ZSTD_OF_GZIP],
    ['identity', Buffer.from('päckchen in zstd')],
    ['aws-chunked', Buffer.from('päckchen in zstd')],
    ['gzip, br', brotliCompressSync(gzipSync('päckchen in zstd'))],
  ])('reads the content encoding %s', async (encoding, bytes) => {
    answer = (_request, response) => response.writeHead(200, { 'content-encoding': encoding }).end(bytes);
    expect(await call({})).toMatchObject({ body: 'päckchen in zstd' });
  });

  it.each([
    ['pied-piper', 'response_invalid'],
    ['gzip', 'response_invalid'],
    ['zstd', 'response_invalid'],
    ['gzip, gzip, gzip, gzip, gzip, gzip', 'response_invalid'],
  ])('refuses a body that is not what the content encoding %s says', async (encoding, code) => {
    answer = (_request, response) =>
      response.writeHead(200, { 'content-encoding': encoding }).end('plain text, no more');
    expect(await codeOf(call({}))).toBe(code);
    answer = (_request, response) => response.writeHead(204, { 'content-encoding': encoding }).end();
    expect(await call({ method: 'HEAD', expected_codes: ['2xx'] })).toMatchObject({ status: 204, body: null });
  });

  it.each([
    ['gzip', ZEROS],
    ['gzip, gzip', gzipSync(ZEROS)],
    ['deflate', deflateSync(Buffer.alloc(1_000_000))],
    ['br', brotliCompressSync(Buffer.alloc(1_000_000))],
    ['zstd', ZSTD_ZEROS],
  ])('stops at max_bytes inside of %s', async (encoding, bytes) => {
    answer = (_request, response) => response.writeHead(200, { 'content-encoding': encoding }).end(bytes);
    expect(await codeOf(call({ max_bytes: 900_000 }))).toBe('response_too_large');
  });

  it.each([
    ['/café', '/caf%C3%A9'],
    ['next?q=é#part', '/dir/next?q=%C3%A9'],
    ['//127.0.0.1:PORT/日本', '/%E6%97%A5%E6%9C%AC'],
    ['../up', '/up'],
    ['?only=query', '/dir/?only=query'],
    ['/caf%C3%A9 x', '/caf%C3%A9%20x'],
  ])('follows the Location %s as browsers do', async (location, url) => {
    const bytes = Buffer.from(location.replace('PORT', String(port))).toString('latin1');
    answer = (request, response) => {
      if (request.url === '/dir/') response.writeHead(302, { location: bytes }).end();
      else response.end(request.url);
    };
    const output = await call({ url: `http://127.0.0.1:${port}/dir/#here` });
    expect(output).toMatchObject({ body: url, redirects: 1 });
    expect(output['url']).toBe(`http://127.0.0.1:${port}${url}${location.includes('#') ? '#part' : '#here'}`);
  });

  it('keeps bytes of a Location that are not UTF-8, and reads headers that are UTF-8', async () => {
    answer = (request, response) => {
      if (request.url === '/') {
        response.writeHead(302, { location: '/caf\xe9' }).end();
      } else {
        response
          .writeHead(200, { 'x-name': Buffer.from('naïve').toString('latin1'), 'x-old': 'na\xefve' })
          .end(request.url);
      }
    };
    expect(await call({})).toMatchObject({ body: '/caf%E9', headers: { 'x-name': 'naïve', 'x-old': 'naïve' } });
  });

  it('keeps no cookies over a redirect, and gives those of the answer one by one', async () => {
    answer = (request, response) => {
      if (request.url === '/') {
        response.writeHead(302, { location: '/end', 'set-cookie': 'a=1' }).end();
      } else {
        response
          .writeHead(200, { 'set-cookie': ['b=2; Expires=Thu, 01 Jan 2026 00:00:00 GMT', 'c=3'], 'x-a': ['1', '2'] })
          .end();
      }
    };
    expect(await call({})).toMatchObject({
      body: null,
      headers: { 'set-cookie': ['b=2; Expires=Thu, 01 Jan 2026 00:00:00 GMT', 'c=3'], 'x-a': '1, 2' },
    });
    expect(seen[1]?.headers).not.toHaveProperty('cookie');
  });

  it('takes an answer after informational ones, and answers without a body', async () => {
    answer = (_request, response) => {
      response.writeProcessing();
      response.writeEarlyHints({ link: '</style.css>; rel=preload' });
      json(response, 200, { a: 1 });
    };
    expect(await call({})).toMatchObject({ status: 200, body: { a: 1 } });
    answer = (_request, response) => response.writeHead(304, { 'content-type': 'application/json' }).end();
    expect(await call({ expected_codes: [304] })).toMatchObject({ status: 304, body: null });
    answer = (_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '7' }).end();
    expect(await call({ method: 'head' })).toMatchObject({
      status: 200,
      body: null,
      headers: { 'content-length': '7' },
    });
  });

  it.each<[input: JsonObject, type: string | undefined, body: string]>([
    [{ body: 'text é' }, 'text/plain; charset=utf-8', 'text é'],
    [{ body: '' }, 'text/plain; charset=utf-8', ''],
    [{ body: 0 }, 'application/json', '0'],
    [{ body: false }, 'application/json', 'false'],
    [{ body: ['a'] }, 'application/json', '["a"]'],
    [{ body: null }, undefined, ''],
    [{ body: '{"a":1}', headers: { 'Content-Type': 'application/json' } }, 'application/json', '{"a":1}'],
    [
      { body: { a: 'x y', b: [1, 2], c: null }, headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      'application/x-www-form-urlencoded',
      'a=x+y&b=1&b=2',
    ],
  ])('sends %j with its type', async (input, type, body) => {
    answer = (_request, response) => json(response, 200, {});
    await call({ method: 'POST', ...input });
    expect(seen[0]?.body).toBe(body);
    expect(seen[0]?.headers['content-type']).toBe(type);
  });

  it('keeps the query of the URL unchanged, and removes the line end of a token in a header', async () => {
    answer = (_request, response) => json(response, 200, {});
    await call({
      url: `http://127.0.0.1:${port}/?sig=a%20b~%2F`,
      query: { q: 'x y' },
      headers: { Authorization: 'Bearer t\n', 'X-None': null },
    });
    expect(seen[0]).toMatchObject({ url: '/?sig=a%20b~%2F&q=x+y', headers: { authorization: 'Bearer t' } });
    expect(seen[0]?.headers).not.toHaveProperty('x-none');
  });

  describe('on a connection that the server closes once it has had a request', () => {
    let requests: string[];
    let connections: number;
    let closing: NetServer;
    const allowed = (): string => `127.0.0.1:${(closing.address() as AddressInfo).port}`;
    beforeEach(async () => {
      requests = [];
      connections = 0;
      // The second request on a connection gets no answer, because the server closed the connection when the request
      // came.
      closing = createNetServer((socket) => {
        connections += 1;
        let had = 0;
        socket.on('error', () => undefined);
        socket.on('data', (data) => {
          requests.push(data.toString().split(' ')[0] ?? '');
          had += 1;
          if (had > 1) {
            if (requests.includes('RESET')) socket.resetAndDestroy();
            else socket.destroy();
          } else {
            socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
          }
        });
      });
      await new Promise<void>((resolve) => closing.listen(0, '127.0.0.1', resolve));
    });
    afterEach(() => new Promise((resolve) => closing.close(resolve)));

    // The client reuses a connection only a few turns of the event loop after its answer.
    const isKept = async (): Promise<void> => {
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    };
    const agentCalling = (): ((input: JsonObject) => Promise<unknown>) => {
      const client = new GuardedClient(addressPolicy([allowed()]));
      clients.push(client);
      return (input) =>
        httpAgent(client).run({ url: `http://${allowed()}/`, ...input }, testContext()) as Promise<unknown>;
    };

    it.each(['GET', 'DELETE', 'POST'])('sends a %s once more, on a new connection', async (method) => {
      const send = agentCalling();
      expect(await send({ method })).toMatchObject({ body: 'ok' });
      await isKept();
      expect(await send({ method })).toMatchObject({ body: 'ok' });
      expect([requests, connections]).toEqual([[method, method, method], 2]);
    });

    it('does so after a reset too', async () => {
      const client = new GuardedClient(addressPolicy([allowed()]));
      clients.push(client);
      const call = (method: string): Promise<unknown> =>
        client.call({
          tenantId: 'default',
          url: `http://${allowed()}/`,
          method,
          headers: {},
          signal: new AbortController().signal,
          maxBytes: 100,
          maxRedirects: 0,
          repeatable: true,
        });
      requests.push('RESET');
      expect(await call('GET')).toMatchObject({ status: 200 });
      await isKept();
      expect(await call('GET')).toMatchObject({ status: 200 });
      expect([requests, connections]).toEqual([['RESET', 'GET', 'GET', 'GET'], 2]);
    });

    it('sends nothing twice that may not be, nor on a connection that was new', async () => {
      const client = new GuardedClient(addressPolicy([allowed()]));
      clients.push(client);
      const post = (more: object = {}): Promise<unknown> =>
        client.call({
          tenantId: 'default',
          url: `http://${allowed()}/`,
          method: 'POST',
          headers: {},
          signal: new AbortController().signal,
          maxBytes: 100,
          maxRedirects: 0,
          ...more,
        });
      await post();
      await isKept();
      await expect(post()).rejects.toThrow('other side closed');
      expect(requests).toEqual(['POST', 'POST']);
      answer = (_request, response) => response.destroy();
      expect(await codeOf(call({}))).toBe('http_unreachable');
      expect(seen).toHaveLength(1);
    });
  });

  it('says that an answer is not HTTP', async () => {
    const strange = createNetServer((socket) => socket.resume().end('HTTP/1.1 200 OK\r\nbad header: x\r\n\r\n'));
    await new Promise<void>((resolve) => strange.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(strange.address() as AddressInfo).port}/`;
    const failing = call({ url }, { allowed: ['127.0.0.1'] });
    await expect(failing).rejects.toThrow(/failed: the answer is not HTTP/);
    expect(await codeOf(failing)).toBe('response_invalid');
    await new Promise((resolve) => strange.close(resolve));
  });

  it.each([
    [503, undefined, RetryableError],
    [404, undefined, TerminalError],
    [200, [404], TerminalError],
    [404, [200, '4xx'], undefined],
  ])('takes %p with expected codes %p as it should', async (status, expected_codes, error) => {
    answer = (_request, response) => json(response, status, { reason: 'because' });
    const work = call(expected_codes === undefined ? {} : { expected_codes });
    const outcome = await work.catch((thrown: unknown) => thrown);
    if (error === undefined) {
      expect(outcome).toMatchObject({ status });
    } else {
      expect(outcome).toBeInstanceOf(error);
      expect(outcome).toMatchObject({ code: 'http_status', details: { status, body: '{"reason":"because"}' } });
    }
  });

  it('refuses an answer larger than max_bytes, also one that is so only after decompression', async () => {
    answer = (_request, response) => response.end('x'.repeat(2_000));
    expect(await codeOf(call({ max_bytes: 1_000 }))).toBe('response_too_large');
    answer = (_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('x'.repeat(1_000_000)));
    expect(await codeOf(call({ max_bytes: 10_000 }))).toBe('response_too_large');
  });

  it('follows redirects, turns POST to GET where everybody does, and keeps credentials from other origins', async () => {
    answer = (request, response) => {
      if (request.url === '/start') response.writeHead(302, { location: `http://localhost:${port}/end` }).end();
      else json(response, 200, {});
    };
    const resolve: Resolve = (_host, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]);
    const output = await call(
      {
        url: `http://127.0.0.1:${port}/start`,
        method: 'POST',
        body: 'x',
        headers: { authorization: 'secret', 'x-keep': '1' },
      },
      { resolve },
    );
    expect(output).toMatchObject({ redirects: 1, url: `http://localhost:${port}/end` });
    expect(seen[1]).toMatchObject({ method: 'GET', body: '' });
    expect(seen[1]?.headers).not.toHaveProperty('authorization');
    expect(seen[1]?.headers).toHaveProperty('x-keep');
  });

  it('sends no header that holds a secret where a redirect leads to another origin, not even from there back', async () => {
    answer = (request, response) => {
      const { url = '' } = request;
      if (url === '/start') response.writeHead(307, { location: '/same' }).end();
      else if (url === '/same') response.writeHead(307, { location: `http://localhost:${port}/other` }).end();
      else if (url === '/other') response.writeHead(307, { location: `http://127.0.0.1:${port}/back` }).end();
      else json(response, 200, {});
    };
    const value = 'hunter2/hunter2';
    const hidden = new HiddenValues([value]);
    const headers = {
      'X-Api-Key': value,
      'x-basic': `Basic ${Buffer.from(`admin:${value}`).toString('base64')}`,
      'x-url': `https://example.org/?key=${encodeURIComponent(value)}`,
      'x-keep': 'no secret',
    };
    const resolve: Resolve = (_host, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]);
    const url = `http://127.0.0.1:${port}/start`;
    const output = await call({ url, headers }, { resolve, redact: (text) => hidden.text(text) });
    expect(output).toMatchObject({ redirects: 3, url: `http://127.0.0.1:${port}/back` });
    const told = seen.map((one) => Object.keys(headers).filter((name) => name.toLowerCase() in one.headers));
    expect(told).toEqual([Object.keys(headers), Object.keys(headers), ['x-keep'], ['x-keep']]);
  });

  it.each([
    ['a text', { body: 'password=hunter2/hunter2' }],
    ['JSON', { body: { deep: [{ password: 'hunter2/hunter2' }] } }],
    [
      'a form',
      { body: { password: 'hunter2/hunter2' }, headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    ],
  ])('sends no body that holds a secret, as %s, where a redirect leads to another origin', async (_what, sent) => {
    for (const status of [307, 308]) {
      seen.splice(0);
      answer = (request, response) => {
        const { url = '' } = request;
        if (url === '/start') response.writeHead(status, { location: '/same' }).end();
        else if (url === '/same') response.writeHead(status, { location: `http://localhost:${port}/other` }).end();
        else json(response, 200, {});
      };
      const hidden = new HiddenValues(['hunter2/hunter2']);
      const resolve: Resolve = (_host, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]);
      const more = { resolve, redact: (text: string) => hidden.text(text) };
      const url = `http://127.0.0.1:${port}/start`;
      expect(await codeOf(call({ url, method: 'POST', ...sent }, more))).toBe('input_invalid');
      // On its own origin the secret is sent.
      expect(seen.map((one) => one.url)).toEqual(['/start', '/same']);
      expect(seen[1]?.body).not.toBe('');
      // A body without a secret is sent again after a redirect (RFC 9110, 15.4.8).
      seen.splice(0);
      await call({ url, method: 'POST', body: 'harmless' }, more);
      expect(seen.map((one) => [one.url, one.body])).toEqual([
        ['/start', 'harmless'],
        ['/same', 'harmless'],
        ['/other', 'harmless'],
      ]);
    }
  });

  it('stops after max_redirects', async () => {
    answer = (_request, response) => response.writeHead(302, { location: '/again' }).end();
    expect(await codeOf(call({ max_redirects: 3 }))).toBe('input_invalid');
    expect(seen).toHaveLength(4);
  });

  it.each(['http://127.0.0.1', 'http://0x7f.1', 'http://2130706433', 'http://[::1]', 'http://[::ffff:7f00:1]'])(
    'refuses %s when it is not allowed',
    async (host) => {
      answer = (_request, response) => json(response, 200, {});
      expect(await codeOf(call({ url: `${host}:${port}/` }, { allowed: [] }))).toBe('address_refused');
      expect(seen).toEqual([]);
    },
  );

  it('refuses a name whose address is private, and one that a redirect leads to', async () => {
    const resolve: Resolve = (host, _options, done) =>
      done(null, [{ address: host === 'open.example' ? '127.0.0.1' : '127.0.0.2', family: 4 }]);
    expect(await codeOf(call({ url: `http://closed.example:${port}/` }, { resolve }))).toBe('address_refused');
    answer = (_request, response) => response.writeHead(307, { location: `http://closed.example:${port}/` }).end();
    expect(await codeOf(call({ url: `http://open.example:${port}/` }, { resolve }))).toBe('address_refused');
    answer = (_request, response) => response.writeHead(307, { location: 'http://169.254.169.254/latest/' }).end();
    expect(await codeOf(call({ url: `http://open.example:${port}/` }, { resolve }))).toBe('address_refused');
    expect(seen).toHaveLength(2);
  });

  it('checks the very address it connects to, so that a DNS answer that changes passes nothing', async () => {
    let asked = 0;
    const resolve: Resolve = (_host, _options, done) => {
      asked += 1;
      done(null, [{ address: asked === 1 ? '127.0.0.1' : '127.0.0.2', family: 4 }]);
    };
    answer = (_request, response) => response.writeHead(200, { connection: 'close' }).end('{}');
    const client = new GuardedClient(addressPolicy([`127.0.0.1:${port}`]), resolve);
    clients.push(client);
    const input = { url: `http://rebinding.example:${port}/` };
    await httpAgent(client).run(input, testContext());
    expect(await codeOf(httpAgent(client).run(input, testContext()) as Promise<unknown>)).toBe('address_refused');
    expect([asked, seen.length]).toEqual([2, 1]);
  });

  it.each([
    [{ url: 'ftp://example.org/' }],
    [{ url: 'nonsense' }],
    [{ url: 'http://user:pw@example.org/' }],
    [{ method: 'STEAL' }],
    [{ headers: { Host: 'other' } }],
    [{ headers: { 'transfer-encoding': 'chunked' } }],
    [{ headers: { 'x-a': 'b\r\nx-c: d' } }],
    [{ headers: { 'x-a': '😀' } }],
    [{ headers: { 'x y': 'z' } }],
    [{ headers: { 'X-A': '1', 'x-a': '2' } }],
    [{ headers: { 'x-a': { b: 1 } } }],
    [{ method: 'POST', body: [1], headers: { 'content-type': 'application/x-www-form-urlencoded' } }],
    [{ expected_codes: ['2x'] }],
    [{ url: null }],
  ])('refuses the input %p', async (input) => {
    answer = (_request, response) => json(response, 200, {});
    expect(await codeOf(call(input as JsonObject))).toBe('input_invalid');
    expect(seen).toEqual([]);
  });

  it('says that nobody listens, as something that may pass', async () => {
    const failing = call({ url: 'http://127.0.0.1:1/' }, { allowed: ['127.0.0.1'] });
    await expect(failing).rejects.toThrow(/127\.0\.0\.1:1 cannot be reached/);
    expect(await codeOf(failing)).toBe('http_unreachable');
  });

  it('ends with its signal', async () => {
    const abort = new AbortController();
    answer = () => abort.abort(new Error('out of time'));
    const client = new GuardedClient(addressPolicy([`127.0.0.1:${port}`]));
    clients.push(client);
    const work = httpAgent(client).run({ url: `http://127.0.0.1:${port}/` }, testContext({ signal: abort.signal }));
    await expect(work).rejects.toThrow('out of time');
  });
});

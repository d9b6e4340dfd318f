import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { JsonObject } from '@batuta/contracts';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { addressPolicy, GuardedClient } from '@batuta/outbound-http';
import type { Resolve } from '@batuta/outbound-http';
import { testContext } from '../../test/test-context.js';
import { RetryableError, TerminalError } from './agent.js';
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
    options: { allowed?: string[]; resolve?: Resolve } = {},
  ): Promise<JsonObject> => {
    const client = new GuardedClient(addressPolicy(options.allowed ?? [`127.0.0.1:${port}`]), options.resolve);
    clients.push(client);
    return (await httpAgent(client).run({ url: `http://127.0.0.1:${port}/`, ...input }, testContext())) as JsonObject;
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

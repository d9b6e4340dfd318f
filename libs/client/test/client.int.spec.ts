import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';
import {
  BatutaClient,
  ConnectionError,
  isProblem,
  NotModifiedError,
  ProblemError,
  WaitedTooLongError,
} from '../src/index.js';
import { NAMESPACES } from '../src/generated/operations.js';
import { json, problem, ScriptedServer } from './scripted-server.js';

let server: ScriptedServer;
let client: BatutaClient;

beforeEach(async () => {
  server = await ScriptedServer.start();
  client = new BatutaClient({ url: `${server.url}/`, apiKey: 'secret', WebSocket, retry: { backoffMs: 1 } });
});
afterEach(() => server.stop());

const page = (names: readonly string[], next: string | null): object => ({
  configs: names.map((name) => ({ name })),
  next_cursor: next,
});

describe('the client', () => {
  it('has every namespace of the document', () => {
    expect(NAMESPACES.filter((name) => (client as unknown as Record<string, unknown>)[name] === undefined)).toEqual([]);
  });

  it('sends path, query, body and headers as the document defines', async () => {
    server.handler = (_, response) => json(response, 200, { name: 'a b' }, { etag: '"3-x"', 'x-request-id': 'r1' });
    const full = await client.configs
      .update(
        'a b/c',
        { name: 'a', strategy: 'parallel', steps: [] },
        { ifMatch: '"2-y"', headers: { 'x-request-id': 'r1' } },
      )
      .full();
    expect(full).toMatchObject({ data: { name: 'a b' }, status: 200, etag: '"3-x"', requestId: 'r1' });
    expect(server.asked[0]).toMatchObject({
      method: 'PUT',
      url: '/api/v1/orchestrations/configs/a%20b%2Fc',
      headers: {
        authorization: 'Bearer secret',
        'if-match': '"2-y"',
        'content-type': 'application/json',
        'x-request-id': 'r1',
      },
      body: '{"name":"a","strategy":"parallel","steps":[]}',
    });
    server.handler = (_, response) => json(response, 200, { executions: [], next_cursor: null });
    await client.executions.list({ status: ['failed', 'running'], limit: 5 });
    expect(server.asked[1]?.url).toBe('/api/v1/orchestrations/executions?status=failed&status=running&limit=5');
  });

  it('throws the platform’s refusal with its code', async () => {
    server.handler = (_, response) => problem(response, 404, 'not_found');
    const thrown = await client.configs.get('none').catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(ProblemError);
    expect(thrown).toMatchObject({ status: 404, code: 'not_found' });
    expect([isProblem(thrown), isProblem(thrown, 'not_found'), isProblem(thrown, 'conflict')]).toEqual([
      true,
      true,
      false,
    ]);
    expect(server.asked).toHaveLength(1);
    server.handler = (_, response) => void response.writeHead(304).end();
    await expect(client.configs.get('a', { ifNoneMatch: '"1"' })).rejects.toThrow(NotModifiedError);
  });

  it('retries reads after the pause that the platform requests', async () => {
    server.handler = (_, response) =>
      server.asked.length < 3
        ? problem(response, 503, 'unavailable', { 'retry-after': '0' })
        : json(response, 200, { name: 'a' });
    expect((await client.configs.get('a')).name).toBe('a');
    expect(server.asked).toHaveLength(3);
    // The requested pause is too long, so the error is thrown.
    server.handler = (_, response) => problem(response, 429, 'rate_limited', { 'retry-after': '3600' });
    await expect(client.configs.get('a')).rejects.toMatchObject({ code: 'rate_limited', retryAfterMs: 3_600_000 });
    expect(server.asked).toHaveLength(4);
  });

  it('gives up after its attempts, and never repeats a request that could take effect twice', async () => {
    server.handler = (_, response) => void response.destroy();
    await expect(client.configs.get('a')).rejects.toThrow(ConnectionError);
    expect(server.asked).toHaveLength(4);
    await expect(client.configs.delete('a')).rejects.toThrow(ConnectionError);
    await expect(client.pools.createCredentials('text', {})).rejects.toThrow(ConnectionError);
    expect(server.asked).toHaveLength(6);
  });

  it('uses one Idempotency-Key for all attempts of a POST', async () => {
    server.handler = (_, response) =>
      server.asked.length === 1
        ? void response.destroy()
        : json(response, 202, { execution_id: 'e', status: 'running' });
    await client.executions.start('greeting', { input: 1 });
    const keys = server.asked.map(({ headers }) => headers['idempotency-key']);
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(keys).toEqual([keys[0], keys[0]]);
    await client.executions.start('greeting', {}, { idempotencyKey: 'mine' });
    expect(server.asked[2]?.headers['idempotency-key']).toBe('mine');
  });

  it('reads every item of every page, and requests a page only when it is needed', async () => {
    server.handler = ({ url }, response) => {
      const cursor = new URL(url, server.url).searchParams.get('cursor');
      json(response, 200, cursor === null ? page(['a', 'b'], 'two') : page(['c'], null));
    };
    const names: string[] = [];
    for await (const { name } of client.configs.list({ limit: 2, offset: 0 })) {
      names.push(name);
      expect(server.asked).toHaveLength(name === 'c' ? 2 : 1);
    }
    expect(names).toEqual(['a', 'b', 'c']);
    expect(server.asked[1]?.url).toBe('/api/v1/orchestrations/configs?limit=2&cursor=two');
    expect((await client.configs.list()).configs).toHaveLength(2);
  });

  it('ends a call with its signal, even while it waits for a retry', async () => {
    const waiting = new BatutaClient({ url: server.url, retry: { backoffMs: 60_000, maxBackoffMs: 60_000 } });
    server.handler = (_, response) => problem(response, 503, 'unavailable', { 'retry-after': '30' });
    const stop = new AbortController();
    const call = waiting.configs.get('a', { signal: stop.signal }).then(() => 'answered');
    server.handler = (_, response) => {
      problem(response, 503, 'unavailable', { 'retry-after': '30' });
      setImmediate(() => stop.abort(new Error('enough')));
    };
    await expect(call).rejects.toThrow('enough');
  });

  it('waits for a result for the given time', async () => {
    server.handler = (_, response) =>
      json(response, server.asked.length < 3 ? 202 : 200, {
        execution_id: 'e',
        trace_id: 't',
        status: server.asked.length < 3 ? 'running' : 'completed',
        output: 7,
      });
    expect(await client.executions.wait('e')).toMatchObject({ status: 'completed', output: 7 });
    expect(server.asked.map(({ url }) => url.split('?')[1])).toEqual(Array(3).fill('wait=60000ms'));
    server.handler = (_, response) => json(response, 202, { execution_id: 'e', trace_id: 't', status: 'running' });
    await expect(client.executions.wait('e', { withinMs: 20 })).rejects.toThrow(WaitedTooLongError);
  });
});

describe('live events', () => {
  const event = (version: number): string => JSON.stringify({ version, type: 'StepScheduled', data: {} });

  it('come in order, and continue after the last one when the connection breaks', async () => {
    server.handler = (_, response) => json(response, 200, { events: [], next_cursor: null });
    server.onSocket = (socket, url, nth) => {
      const from = Number(new URL(url, server.url).searchParams.get('from_version'));
      socket.send(event(from));
      // The connection is cut once both events are on their way.
      socket.send(event(from + 1), () => {
        if (nth === 1) socket.terminate();
        else socket.close(nth === 2 ? 4008 : 1000);
      });
    };
    const versions: number[] = [];
    const breaks: string[] = [];
    const onBreak = (reason: string): number => breaks.push(reason);
    for await (const { version } of client.executions.follow('e', { onBreak })) versions.push(version);
    expect(versions).toEqual([1, 2, 3, 4, 5, 6]);
    expect(breaks).toEqual(['closed with 1006', 'closed with 4008']);
    expect(server.sockets.map(({ url }) => url)).toEqual(
      [1, 3, 5].map((from) => `/ws/executions/e/monitor?from_version=${from}`),
    );
    // A key is never part of a URL.
    expect(server.sockets[0]?.protocols).toBe('batuta.v1,batuta.bearer.secret');
  });

  it('report a refusal with the problem that REST returns', async () => {
    server.handler = (_, response) => problem(response, 404, 'not_found');
    server.onSocket = (socket) => socket.close(4404);
    await expect(client.executions.follow('none').next()).rejects.toMatchObject({ code: 'not_found' });
    // A refusal before the upgrade: the WebSocket constructor does not get the reason.
    server.handler = (_, response) => json(response, 200, { id: 'e', enable_monitoring: false });
    server.onSocket = (socket) => socket.terminate();
    await expect(client.executions.follow('e').next()).rejects.toMatchObject({ code: 'not_monitored', status: 409 });
  });

  it('give up after the maximum number of breaks without an event', async () => {
    server.handler = (_, response) => json(response, 200, { events: [], next_cursor: null });
    server.onSocket = (socket) => socket.terminate();
    await expect(client.executions.follow('e', { maxReconnects: 2 }).next()).rejects.toThrow(ConnectionError);
    expect(server.sockets).toHaveLength(3);
  });

  it('are kept only up to a limit for a slow reader, and the rest is requested again', async () => {
    const all = 2_500;
    let firstEnds: Promise<unknown> | undefined;
    server.onSocket = (socket, url) => {
      firstEnds ??= once(socket, 'close');
      for (
        let version = Number(new URL(url, server.url).searchParams.get('from_version'));
        version <= all;
        version += 1
      ) {
        socket.send(event(version));
      }
      socket.close(1000);
    };
    let seen = 0;
    for await (const { version } of client.executions.follow('e')) {
      seen += 1;
      expect(version).toBe(seen);
      // The reader waits until everything was sent or given up.
      if (seen === 1) await firstEnds;
    }
    expect(seen).toBe(all);
    expect(server.sockets.length).toBeGreaterThan(1);
  });

  it('end when their signal fires', async () => {
    const stop = new AbortController();
    server.onSocket = (socket) => socket.send(event(1));
    const events = client.executions.follow('e', { signal: stop.signal });
    expect((await events.next()).value).toMatchObject({ version: 1 });
    const next = events.next();
    stop.abort(new Error('enough'));
    await expect(next).rejects.toThrow('enough');
  });
});

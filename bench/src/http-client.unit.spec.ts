import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { HttpClient } from './http-client.js';

// The end of the connection or its reset, whichever arrives first.
const CONNECTION_LOST = /other side closed|ECONNRESET/;
let server: Server | undefined;
let client: HttpClient | undefined;

async function listen(answer: RequestListener, port = 0): Promise<number> {
  const listening = createServer(answer);
  server = listening;
  await new Promise<void>((resolve) => listening.listen(port, '127.0.0.1', resolve));
  return (listening.address() as AddressInfo).port;
}

async function stop(): Promise<void> {
  const listening = server;
  server = undefined;
  if (listening === undefined) return;
  await new Promise((resolve) => {
    listening.close(resolve);
    listening.closeAllConnections();
  });
}

async function clientOf(answer: RequestListener): Promise<HttpClient> {
  client = new HttpClient(`http://127.0.0.1:${await listen(answer)}`, 'secret');
  return client;
}

afterEach(async () => {
  client?.close();
  client = undefined;
  await stop();
});

describe('HttpClient', () => {
  test('sends JSON with its key, and keeps its connections', async () => {
    const ports = new Set<number | undefined>();
    const http = await clientOf((request, response) => {
      ports.add(request.socket.remotePort);
      let text = '';
      request.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8');
      });
      request.on('end', () => {
        const { authorization, 'content-type': type } = request.headers;
        response.statusCode = 202;
        response.end(JSON.stringify({ method: request.method, path: request.url, authorization, type, text }));
      });
    });
    for (let index = 0; index < 10; index += 1) {
      expect(await http.send('POST', '/some/path?wait=60s', { größe: index })).toEqual({
        status: 202,
        body: {
          method: 'POST',
          path: '/some/path?wait=60s',
          authorization: 'Bearer secret',
          type: 'application/json',
          text: JSON.stringify({ größe: index }),
        },
      });
    }
    expect(ports.size).toBe(1);
  });

  test('sends one request at a time on a connection', async () => {
    const ports = new Set<number | undefined>();
    const waiting: (() => void)[] = [];
    const http = await clientOf((request, response) => {
      ports.add(request.socket.remotePort);
      waiting.push(() => response.end('{}'));
      // Answers only when all requests have arrived.
      if (waiting.length === 5) for (const answer of waiting.splice(0)) answer();
    });
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(Array.from({ length: 5 }, () => http.send('POST', '/', {})));
    }
    expect(ports.size).toBe(5);
  });

  test('replaces default headers by given ones', async () => {
    const http = await clientOf((request, response) => {
      const { authorization, 'content-type': type, 'idempotency-key': key } = request.headersDistinct;
      response.end(JSON.stringify({ authorization, type, key }));
    });
    const { body } = await http.send('POST', '/', {}, { authorization: 'Bearer other', 'idempotency-key': 'one' });
    expect(body).toEqual({ authorization: ['Bearer other'], type: ['application/json'], key: ['one'] });
    expect((await http.send('GET', '/')).body).toEqual({ authorization: ['Bearer secret'] });
  });

  test('joins an answer that arrives in pieces, even when a letter is split', async () => {
    const bytes = Buffer.from(JSON.stringify({ text: 'größer' }));
    const cut = bytes.indexOf(Buffer.from('ö')) + 1;
    const http = await clientOf((_request, response) => {
      response.write(bytes.subarray(0, cut), () => response.end(bytes.subarray(cut)));
    });
    expect(await http.send('GET', '/')).toEqual({ status: 200, body: { text: 'größer' } });
  });

  test('returns null for an answer without a body', async () => {
    const http = await clientOf((_request, response) => response.writeHead(204).end());
    expect(await http.send('DELETE', '/')).toEqual({ status: 204, body: null });
  });

  test('rejects an answer that is cut off', async () => {
    const http = await clientOf((request, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('{"half":', () => request.socket.destroy());
    });
    await expect(http.send('GET', '/')).rejects.toThrow(CONNECTION_LOST);
  });

  test('rejects a request when the server closes the connection without an answer', async () => {
    const http = await clientOf((request) => request.socket.destroy());
    await expect(http.send('POST', '/', {})).rejects.toThrow(CONNECTION_LOST);
  });

  test('rejects an answer that is not JSON as a wrong result, which is not retried', async () => {
    const http = await clientOf((_request, response) => response.end('<html>'));
    await expect(http.send('GET', '/')).rejects.toThrow(new TypeError('an answer with status 200 is no JSON: <html>'));
  });

  test('rejects while nothing listens, and works again when something does', async () => {
    const answer: RequestListener = (_request, response) => void response.end('{}');
    const port = await listen(answer);
    const http = new HttpClient(`http://127.0.0.1:${port}`, 'secret');
    client = http;
    await http.send('GET', '/');
    await stop();
    const refused = await Promise.allSettled([http.send('POST', '/', {}), http.send('POST', '/', {})]);
    expect(refused.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await listen(answer, port);
    expect(await http.send('POST', '/', {})).toEqual({ status: 200, body: {} });
  });

  test('rejects running requests when it is closed', async () => {
    let arrived = (): void => undefined;
    const waiting = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const http = await clientOf(() => arrived());
    const sent = http.send('GET', '/');
    sent.catch(() => undefined);
    await waiting;
    http.close();
    await expect(sent).rejects.toThrow(/destroyed/);
  });
});

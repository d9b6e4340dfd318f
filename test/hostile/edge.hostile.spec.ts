import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import { WebSocket } from 'ws';
import type { Api } from '../support/api.js';
import { LocalPlatform } from '../support/local-platform.js';

const CONFIGS = '/api/v1/orchestrations/configs';

describe('attacks on the edge of a local platform', () => {
  let platform: LocalPlatform;
  let viewer: Api;
  let services: Record<string, string>;

  beforeAll(async () => {
    platform = await LocalPlatform.start();
    viewer = await platform.user('mallory', 'viewer');
    services = (JSON.parse(readFileSync(join(platform.dir, 'run.json'), 'utf8')) as { services: typeof services })
      .services;
  }, 300_000);

  afterAll(() => platform?.stop(), 300_000);

  /** Sends a text unchanged and returns the answer. The connection ends after it. */
  const raw = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      let said = '';
      const { port, hostname } = new URL(platform.url);
      const socket = connect(Number(port), hostname, () => socket.write(text));
      socket.setTimeout(60_000, () => socket.destroy());
      socket.on('data', (data) => {
        said += data.toString('latin1');
        if (said.includes('\r\n\r\n')) socket.destroy();
      });
      socket.on('error', reject).on('close', () => resolve(said));
    });

  /** Lines of the gateway's own counter of answers. */
  const answered = async (status: RegExp): Promise<string[]> =>
    (await (await fetch(`${services['gateway'] ?? ''}/metrics`)).text())
      .split('\n')
      .filter((line) => line.startsWith('batuta_gateway_http_request_seconds_count') && status.test(line));

  it('answers invalid paths, with and without an upgrade, as not found', async () => {
    for (const path of [
      '//',
      '///',
      '//ws/notifications',
      '//evil.example/ws',
      '/%',
      '/%zz',
      '/..//ws',
      '/\\',
      '/ws/%2e%2e',
      '*',
    ]) {
      for (const upgrade of [
        'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
        '',
      ]) {
        const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n`);
        expect([path, upgrade !== '', answer.split('\r\n')[0]]).toEqual([
          path,
          upgrade !== '',
          expect.stringMatching(/^HTTP\/1\.1 4\d\d /),
        ]);
        expect(answer).not.toMatch(/at .*\.js:\d+/);
      }
    }
    expect(await answered(/status="5/)).toEqual([]);
  }, 300_000);

  it('counts uploads that are cut off as ended by their sender', async () => {
    const key = readFileSync(join(platform.dir, 'admin.key'), 'utf8').trim();
    const { port, hostname } = new URL(platform.url);
    for (const [body, length] of [
      ['', 1_000],
      ['{"name": ', 1_000],
      ['{"name": "a"}', 14],
    ] as const) {
      await new Promise<void>((resolve, reject) => {
        const socket = connect(Number(port), hostname, () =>
          socket.write(
            `POST ${CONFIGS} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\nExpect: 100-continue\r\n` +
              `Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`,
          ),
        );
        // The answer to `Expect` shows that the request has begun.
        socket.once('data', () => socket.destroy());
        socket.once('error', reject).once('close', () => resolve());
      });
    }
    await eventually(async () => {
      const counts = (await answered(/status="499"/)).map((line) => Number(line.split(' ').at(-1)));
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(3);
    });
    expect(await answered(/status="5/)).toEqual([]);
  }, 300_000);

  it('never repeats a key in the answer to an upgrade', async () => {
    const url = `${platform.url.replace('http', 'ws')}/ws/notifications`;
    const key = `batuta.bearer.${viewer.key}`;
    const open = (protocols: string[]): Promise<{ protocol: string; headers: string }> =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(url, protocols);
        let headers = '';
        socket.on('upgrade', (answer) => (headers = JSON.stringify(answer.rawHeaders)));
        socket.on('open', () => {
          resolve({ protocol: socket.protocol, headers });
          socket.terminate();
        });
        socket.on('unexpected-response', (_, answer) => {
          resolve({ protocol: String(answer.statusCode), headers: JSON.stringify(answer.rawHeaders) });
          answer.destroy();
        });
        socket.on('error', reject);
      });
    for (const [protocols, protocol] of [
      [[key, 'batuta.v1'], 'batuta.v1'],
      [['batuta.v1', key], 'batuta.v1'],
      [[key, 'other'], 'other'],
      [[key], '400'],
      [['batuta.v1', 'batuta.bearer.wrong-wrong-wrong'], '401'],
    ] as const) {
      const opened = await open([...protocols]);
      expect([protocols, opened.protocol]).toEqual([protocols, protocol]);
      expect(opened.headers).not.toContain('batuta.bearer');
    }
  }, 300_000);

  it('refuses WebSockets of pages of other origins, whatever their key', async () => {
    const url = `${platform.url.replace('http', 'ws')}/ws/notifications`;
    for (const origin of [
      'http://evil.example',
      'null',
      'http://127.0.0.1:1',
      `${platform.url}.evil.example`,
      'file://',
    ]) {
      const status = await new Promise<number | undefined>((resolve, reject) => {
        const socket = new WebSocket(url, { origin, headers: { authorization: `Bearer ${viewer.key}` } });
        socket.on('open', () => {
          resolve(101);
          socket.terminate();
        });
        socket.on('unexpected-response', (_, answer) => {
          resolve(answer.statusCode);
          answer.destroy();
        });
        socket.on('error', reject);
      });
      expect([origin, status]).toEqual([origin, 403]);
      const answer = await fetch(`${platform.url}${CONFIGS}`, {
        headers: { origin, authorization: `Bearer ${viewer.key}` },
      });
      expect([origin, answer.headers.get('access-control-allow-origin')]).toEqual([origin, null]);
      expect(answer.headers.get('set-cookie')).toBeNull();
    }
  }, 300_000);

  it('refuses changes of a log level from a page, through a proxy, and from another machine', async () => {
    const put = (url: string, headers: Record<string, string>): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const asked = request(`${url}/log-level?level=silent`, { method: 'PUT', headers }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        });
        asked.on('error', reject).end();
      });
    const outside = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .find(({ internal, family }) => !internal && family === 'IPv4')?.address;
    for (const [service, url] of Object.entries(services)) {
      for (const headers of [
        { origin: 'http://evil.example' },
        { 'x-forwarded-for': '203.0.113.9' },
        { forwarded: 'for=203.0.113.9' },
      ]) {
        expect([service, headers, [403, 404].includes((await put(url, headers)) ?? 0)]).toEqual([
          service,
          headers,
          true,
        ]);
      }
      if (outside === undefined) continue;
      const elsewhere = url.replace('127.0.0.1', outside);
      const status = await put(elsewhere, {}).catch((error: NodeJS.ErrnoException) => error.code);
      expect([service, status]).toEqual([service, 'ECONNREFUSED']);
    }
    // A silent level would suppress these lines.
    await viewer.get('/api/v1/orchestrations/executions');
    expect((await put(platform.url, { authorization: `Bearer ${viewer.key}` })) ?? 0).toBeGreaterThanOrEqual(400);
  }, 300_000);

  it('has the headers that protect browsers on every kind of answer', async () => {
    for (const path of ['/', '/nothing', CONFIGS, '/docs', '/docs-json', '/ws/notifications', '/health/ready']) {
      for (const method of ['GET', 'OPTIONS', 'DELETE']) {
        const { headers } = await fetch(`${platform.url}${path}`, { method });
        expect([path, method, headers.get('x-content-type-options'), headers.get('referrer-policy')]).toEqual([
          path,
          method,
          'nosniff',
          'no-referrer',
        ]);
        expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
        expect(headers.get('x-powered-by')).toBeNull();
      }
    }
  }, 300_000);
});

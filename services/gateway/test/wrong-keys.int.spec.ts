import { afterEach, describe, expect, it } from '@jest/globals';
import { operations } from '@batuta/contracts';
import { WebSocket } from 'ws';
import { loadGatewaySettings } from '../src/index.js';
import { startUnderTest } from './gateway-under-test.js';
import type { Answer, UnderTest } from './gateway-under-test.js';

const PATH = '/api/v1/orchestrations/configs';

describe('wrong keys at the edge', () => {
  let under: UnderTest;
  afterEach(async () => {
    await under.close();
  });

  const wrong = (name: string, from?: string): Promise<Answer> =>
    under.call('GET', PATH, {
      key: `batuta_wrong_${name}`,
      ...(from === undefined ? {} : { headers: { 'x-forwarded-for': from } }),
    });

  it('get 429 after too many from one address, before any lookup, while known keys still work', async () => {
    under = await startUnderTest({ BATUTA_GATEWAY_WRONG_KEYS_PER_MINUTE: '3', BATUTA_GATEWAY_KEY_CACHE: '0' });
    expect((await under.call('GET', PATH)).status).toBe(200);
    for (const name of ['one', 'two', 'three']) expect((await wrong(name)).status).toBe(401);
    const asked = under.fake.count(operations.apiKeys.authenticate.subject);
    const refused = await wrong('four');
    expect(refused.status).toBe(429);
    expect(refused.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(refused.body).toMatchObject({ type: 'urn:batuta:problem:rate_limited', code: 'rate_limited', status: 429 });
    const seconds = Number(refused.headers.get('retry-after'));
    expect(seconds).toBeGreaterThanOrEqual(1);
    expect(seconds).toBeLessThanOrEqual(20);
    // A cached wrong key is refused in the same way.
    expect((await wrong('one')).status).toBe(429);
    expect(under.fake.count(operations.apiKeys.authenticate.subject)).toBe(asked);
    expect((await under.call('GET', PATH)).status).toBe(200);
    expect((await under.call('GET', PATH, { key: null })).status).toBe(401);
    expect((await under.call('GET', '/health/live', { key: null })).status).toBe(200);
  });

  it('count for WebSockets too', async () => {
    under = await startUnderTest({ BATUTA_GATEWAY_WRONG_KEYS_PER_MINUTE: '1' });
    const upgrade = (): Promise<{ status: number | undefined; retryAfter: string | undefined }> =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`${under.gateway.url.replace(/^http/, 'ws')}/ws/notifications`, {
          headers: { authorization: 'Bearer batuta_wrong_key' },
        });
        socket.on('unexpected-response', (request, response) => {
          resolve({ status: response.statusCode, retryAfter: response.headers['retry-after'] });
          request.destroy();
        });
        socket.on('open', () => reject(new Error('the key was let in')));
        // Errors of connections that the test itself cuts off.
        socket.on('error', () => undefined);
      });
    expect((await upgrade()).status).toBe(401);
    const { status, retryAfter } = await upgrade();
    expect(status).toBe(429);
    expect(Number(retryAfter)).toBeGreaterThan(0);
    expect((await wrong('another')).status).toBe(429);
  });

  it('count for the client that a trusted proxy reports', async () => {
    under = await startUnderTest({
      BATUTA_GATEWAY_WRONG_KEYS_PER_MINUTE: '1',
      BATUTA_GATEWAY_TRUSTED_PROXIES: 'loopback',
    });
    expect((await wrong('one', '192.0.2.1')).status).toBe(401);
    expect((await wrong('two', '192.0.2.1')).status).toBe(429);
    expect((await wrong('two', '192.0.2.2')).status).toBe(401);
  });

  it('have no limit when it is turned off', async () => {
    under = await startUnderTest({ BATUTA_GATEWAY_WRONG_KEYS_PER_MINUTE: '0' });
    const statuses = await Promise.all(Array.from({ length: 200 }, (_, index) => wrong(String(index))));
    expect(new Set(statuses.map(({ status }) => status))).toEqual(new Set([401]));
    expect(() =>
      loadGatewaySettings({ NATS_URL: under.nats.url, BATUTA_GATEWAY_TRUSTED_PROXIES: 'proxy.example.org' }),
    ).toThrow(/BATUTA_GATEWAY_TRUSTED_PROXIES must be addresses/);
  });
});

import { request } from 'node:http';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createLogger } from './logger.js';
import { counter } from './metrics.js';
import { startOpsServer } from './ops-server.js';
import type { OpsServer } from './ops-server.js';

describe('the operations server', () => {
  let server: OpsServer | undefined;
  const start = async (
    checks: Record<string, () => void>,
    more: { host?: string; token?: string; liveness?: Record<string, () => void> } = {},
  ): Promise<string> => {
    const logger = createLogger({ service: 'test', level: 'silent' });
    server = await startOpsServer({ port: 0, checks, logger, ...more });
    return `http://127.0.0.1:${server.port}`;
  };
  afterEach(async () => {
    await server?.close();
  });

  it('is live whatever its checks say', async () => {
    const url = await start({
      database: () => {
        throw new Error('down');
      },
    });
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
  });

  it('is not live while one of the few checks fails that only a new start mends, and says which', async () => {
    let cutOff = true;
    const nats = (): void => {
      if (cutOff) throw new Error('cut off');
    };
    const url = await start({}, { liveness: { nats } });
    const response = await fetch(`${url}/health/live`);
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ status: 'not_live', checks: { nats: 'cut off' } });
    cutOff = false;
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
  });

  it('is ready only when every check passes, and names those that fail without their passwords', async () => {
    const url = await start({
      nats: () => undefined,
      database: () => {
        throw new Error('cannot reach postgres://batuta:hunter2@db:5432/batuta');
      },
    });
    const response = await fetch(`${url}/health/ready`);
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({
      status: 'not_ready',
      checks: { nats: 'ok', database: 'cannot reach postgres://***@db:5432/batuta' },
    });
  });

  it('exposes metrics, and asking twice for one name gives the same counter', async () => {
    const url = await start({});
    counter('batuta_test_things_total', 'Things').inc(2);
    counter('batuta_test_things_total', 'Things').inc();
    const body = await (await fetch(`${url}/metrics`)).text();
    expect(body).toContain('batuta_test_things_total 3');
    expect(body).toContain('nodejs_eventloop_lag');
  });

  it('changes the log level and refuses an unknown one', async () => {
    const url = await start({});
    const logger = createLogger({ service: 'other', level: 'info', pretty: false });
    expect((await fetch(`${url}/log-level?level=loud`, { method: 'PUT' })).status).toBe(400);
    expect(logger.level).toBe('info');
    expect((await fetch(`${url}/log-level?level=silent`, { method: 'PUT' })).status).toBe(200);
    expect(logger.level).toBe('silent');
  });

  const putLevel = async (url: string, headers: Record<string, string> = {}): Promise<number> =>
    (await fetch(`${url}/log-level?level=silent`, { method: 'PUT', headers })).status;

  it('with a token, changes nothing for those who do not show it; health and metrics stay open', async () => {
    const url = await start({}, { token: 'right' });
    expect(await putLevel(url)).toBe(401);
    expect(await putLevel(url, { authorization: 'Bearer wrong' })).toBe(401);
    expect(await putLevel(url, { authorization: 'Basic right' })).toBe(401);
    expect(await putLevel(url, { authorization: 'Bearer right' })).toBe(200);
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);
    expect((await fetch(`${url}/metrics`)).status).toBe(200);
  });

  it('without a token, changes nothing for those that a proxy on this machine speaks for', async () => {
    const url = await start({});
    expect(await putLevel(url, { 'x-forwarded-for': '203.0.113.9' })).toBe(403);
    expect(await putLevel(url, { forwarded: 'for=203.0.113.9' })).toBe(403);
    expect(await putLevel(url)).toBe(200);
  });

  it('changes nothing for a page in a browser', async () => {
    // fetch does not let a page's origin be set.
    const url = await start({});
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { origin: 'http://evil.example' };
      const asked = request(`${url}/log-level?level=silent`, { method: 'PUT', headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      asked.on('error', reject).end();
    });
    expect(status).toBe(403);
  });

  const outside = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4')?.address;
  // A machine without a network has nobody to refuse.
  (outside === undefined ? it.skip : it)('without a token, changes nothing for another machine', async () => {
    const port = new URL(await start({}, { host: '0.0.0.0' })).port;
    expect(await putLevel(`http://${outside ?? ''}:${port}`)).toBe(403);
    expect((await fetch(`http://${outside ?? ''}:${port}/health/live`)).status).toBe(200);
    expect(await putLevel(`http://127.0.0.1:${port}`)).toBe(200);
  });
});

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

  it('is live whatever the result of its checks', async () => {
    const url = await start({
      database: () => {
        throw new Error('down');
      },
    });
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
  });

  it('is not live while a check fails that only a restart can fix, and names the check', async () => {
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

  it('is ready only when every check passes, and names failed checks without their passwords', async () => {
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

  it('exposes metrics, and returns the same counter for the same name', async () => {
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

  it('with a token, refuses changes without it, while health and metrics stay open', async () => {
    const url = await start({}, { token: 'right' });
    expect(await putLevel(url)).toBe(401);
    expect(await putLevel(url, { authorization: 'Bearer wrong' })).toBe(401);
    expect(await putLevel(url, { authorization: 'Basic right' })).toBe(401);
    expect(await putLevel(url, { authorization: 'Bearer right' })).toBe(200);
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);
    expect((await fetch(`${url}/metrics`)).status).toBe(200);
  });

  it('without a token, refuses changes that a proxy on this machine forwards', async () => {
    const url = await start({});
    expect(await putLevel(url, { 'x-forwarded-for': '203.0.113.9' })).toBe(403);
    expect(await putLevel(url, { forwarded: 'for=203.0.113.9' })).toBe(403);
    expect(await putLevel(url)).toBe(200);
  });

  it('refuses changes from a page in a browser', async () => {
    // fetch does not allow a page's origin to be set.
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
  // A machine without a network has no address from which a request could come.
  (outside === undefined ? it.skip : it)('without a token, refuses changes from another machine', async () => {
    const port = new URL(await start({}, { host: '0.0.0.0' })).port;
    expect(await putLevel(`http://${outside ?? ''}:${port}`)).toBe(403);
    expect((await fetch(`http://${outside ?? ''}:${port}/health/live`)).status).toBe(200);
    expect(await putLevel(`http://127.0.0.1:${port}`)).toBe(200);
  });
});

import { afterEach, describe, expect, it } from '@jest/globals';
import { createLogger } from './logger.js';
import { counter } from './metrics.js';
import { startOpsServer } from './ops-server.js';
import type { OpsServer } from './ops-server.js';

describe('the operations server', () => {
  let server: OpsServer | undefined;
  const start = async (checks: Record<string, () => void>): Promise<string> => {
    server = await startOpsServer({ port: 0, checks, logger: createLogger({ service: 'test', level: 'silent' }) });
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
});

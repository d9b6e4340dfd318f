import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { KEYS } from './fake-platform.js';
import { startUnderTest } from './gateway-under-test.js';
import type { UnderTest } from './gateway-under-test.js';

describe('the gateway’s port and links for operators', () => {
  let under: UnderTest;

  beforeAll(async () => {
    under = await startUnderTest({ BATUTA_GATEWAY_OPS_PORT: '0', BATUTA_JAEGER_URL: 'http://jaeger.example/ui/' });
  });

  afterAll(async () => {
    await under?.close();
  });

  it('changes the log level on the port for operators, and not on the public one', async () => {
    const ops = `http://127.0.0.1:${under.gateway.opsPort}`;
    const changed = await fetch(`${ops}/log-level?level=silent`, { method: 'PUT' });
    expect([changed.status, await changed.json()]).toEqual([200, { level: 'silent' }]);
    expect((await fetch(`${ops}/health/ready`)).status).toBe(200);
    const refused = await under.call('PUT', '/log-level?level=debug', { key: KEYS.admin });
    expect(refused.status).toBe(404);
  });

  it('links the status of an execution to its trace', async () => {
    under.fake.putConfig('greeting');
    const started = await under.call('POST', '/api/v1/orchestrations/execute/greeting', { body: {} });
    expect(started.status).toBe(202);
    const traceId = String(started.body['trace_id']);
    const status = await under.call('GET', `/api/v1/orchestrations/status/${traceId}`);
    expect(status.body['trace_url']).toBe(`http://jaeger.example/ui/trace/${traceId}`);
  });
});

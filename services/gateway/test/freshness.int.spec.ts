import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import { KEYS } from './fake-platform.js';
import { startUnderTest } from './gateway-under-test.js';
import type { UnderTest } from './gateway-under-test.js';

describe('the caches of the gateway', () => {
  let under: UnderTest;
  beforeAll(async () => {
    under = await startUnderTest({ BATUTA_GATEWAY_KEY_CACHE: '60s' });
  });
  afterAll(async () => {
    await under.close();
  });

  const execute = () => under.call('POST', '/api/v1/orchestrations/execute/greeting', { body: {} });
  const versionsStarted = (): unknown[] =>
    under.fake.asked
      .filter(({ pattern }) => pattern === 'command')
      .map(({ data }) => (data['start'] as { configVersion: number }).configVersion);

  it('joins lookups of a config, but a start after a PUT always sees the new version', async () => {
    under.fake.putConfig('greeting');
    await execute();
    let release: () => void = () => undefined;
    under.fake.hold = new Promise((resolve) => (release = resolve));
    const before = under.fake.count('batuta.config.resolve');
    // The first lookup has read version 1 when the version changes.
    const early = execute();
    await eventually(() => under.fake.count('batuta.config.resolve') === before + 1);
    under.fake.putConfig('greeting');
    const late = Array.from({ length: 20 }, execute);
    // Nothing shows that the requests have reached the gateway, but they share its event loop with the later ping.
    await under.call('GET', '/health/live', { key: null });
    under.fake.hold = undefined;
    release();
    expect((await early).status).toBe(202);
    for (const answer of await Promise.all(late)) expect(answer.status).toBe(202);
    expect(versionsStarted().slice(-21)).toEqual([1, ...Array<number>(20).fill(2)]);
  });

  it('asks about a key once, and again when keys have changed', async () => {
    const list = (key: string) => under.call('GET', '/api/v1/orchestrations/configs', { key });
    await list(KEYS.viewer);
    const asked = under.fake.count('batuta.config.key.authenticate');
    await Promise.all(Array.from({ length: 10 }, () => list(KEYS.viewer)));
    expect(under.fake.count('batuta.config.key.authenticate')).toBe(asked);
    under.fake.revoked.add(KEYS.viewer);
    under.fake.changed('key');
    await eventually(async () => (await list(KEYS.viewer)).status === 401);
  });

  it('answers 503 with Retry-After when the engine does not answer in time', async () => {
    const other = await startUnderTest({
      BATUTA_GATEWAY_COMMAND_DEADLINE: '300ms',
      BATUTA_GATEWAY_QUERY_TIMEOUT: '300ms',
    });
    try {
      other.fake.putConfig('greeting');
      await other.call('POST', '/api/v1/orchestrations/execute/greeting', { body: {} });
      await other.fake.stop();
      for (const path of [
        '/api/v1/orchestrations/execute/greeting',
        '/api/v1/orchestrations/executions/0193aaaa-0000-7000-8000-000000000000/cancel',
      ]) {
        const answer = await other.call('POST', path, { body: {} });
        expect([answer.status, answer.body['code'], answer.headers.get('retry-after')]).toEqual([
          503,
          'unavailable',
          '1',
        ]);
      }
      const ready = await other.call('GET', '/health/ready', { key: null });
      expect(ready.status).toBe(503);
      expect(ready.body['checks']).toMatchObject({ nats: 'ok', execution: expect.not.stringMatching('^ok$') });
      expect((await other.call('GET', '/health/live', { key: null })).status).toBe(200);
    } finally {
      await other.close();
    }
  });
});

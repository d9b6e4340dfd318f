import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { checkReadiness } from '@batuta/observability';
import { eventually, NatsProxy } from '@batuta/testing';
import { startUnderTest } from './harness.js';
import type { UnderTest } from './harness.js';

let test: UnderTest;
let proxy: NatsProxy;
beforeAll(async () => {
  test = await startUnderTest();
  proxy = await NatsProxy.start(test.natsServer.url);
});
afterAll(async () => {
  await test?.close();
  await proxy?.close();
});

it('is not ready while the connection that it is asked over is cut, and only that one', async () => {
  const { checks } = await test.start({ NATS_URL: proxy.url });
  const found = async () => (await checkReadiness(checks)).checks;
  expect(await found()).toEqual({ postgres: 'ok', nats: 'ok', requests: 'ok' });
  proxy.cut('notifications patterns');
  await eventually(async () =>
    expect(await found()).toEqual({ postgres: 'ok', nats: 'ok', requests: 'not connected' }),
  );
  proxy.heal('notifications patterns');
  await eventually(async () => expect(await found()).toMatchObject({ requests: 'ok' }), { timeoutMs: 60_000 });
});

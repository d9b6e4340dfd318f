import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { checkReadiness } from '@batuta/observability';
import { eventually, NatsProxy } from '@batuta/testing';
import { Platform } from './platform.js';

let platform: Platform;
let proxy: NatsProxy;
beforeAll(async () => {
  platform = await Platform.start();
  proxy = await NatsProxy.start(platform.nats.url);
});
afterAll(async () => {
  await platform?.end();
  await proxy?.close();
});

it('is not ready while the connection that it is asked over is cut, and only that one', async () => {
  const { checks } = await platform.execution('one', { NATS_URL: proxy.url });
  const found = async () => (await checkReadiness(checks)).checks;
  expect(await found()).toEqual({ postgres: 'ok', nats: 'ok', requests: 'ok', tasks: 'ok' });
  proxy.cut('execution patterns');
  await eventually(async () =>
    expect(await found()).toEqual({ postgres: 'ok', nats: 'ok', requests: 'not connected', tasks: 'ok' }),
  );
  proxy.heal('execution patterns');
  await eventually(async () => expect(await found()).toMatchObject({ requests: 'ok' }), { timeoutMs: 60_000 });
});

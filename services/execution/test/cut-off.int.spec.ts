import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { checkReadiness } from '@batuta/observability';
import { eventually, NatsProxy } from '@batuta/testing';
import { executionId, startRequest } from './fixtures.js';
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

it('an engine that NATS does not answer gives its partitions up to one that it does, and takes its share again', async () => {
  const env = { NATS_URL: proxy.url, BATUTA_EXECUTION_CUT_OFF: '1s' };
  const cut = await platform.execution('cut', env);
  const healthy = await platform.execution('healthy');
  await platform.run();
  await eventually(() => expect([cut.ownedPartitions().length, healthy.ownedPartitions().length]).toEqual([4, 4]));
  expect(await checkReadiness(cut.liveness)).toEqual({ ready: true, checks: { nats: 'ok' } });

  // As if the cable were pulled: no connection is closed.
  proxy.silence('execution cut');
  // It would keep them if it only renewed its lease, which it could, because PostgreSQL answers it.
  await eventually(() => expect(healthy.ownedPartitions()).toHaveLength(8));
  expect(cut.ownedPartitions()).toEqual([]);
  const ids = Array.from({ length: 20 }, () => executionId());
  for (const id of ids) await platform.command(startRequest(id, 'three'));
  await eventually(
    async () => {
      for (const id of ids) expect((await platform.get(id))?.status).toBe('completed');
    },
    { timeoutMs: 60_000 },
  );
  await eventually(async () => {
    const { ready, checks } = await checkReadiness(cut.liveness);
    expect(ready).toBe(false);
    expect(checks['nats']).toMatch(/^cut off from NATS for \d+ s, while other engines are not$/);
  });
  expect((await checkReadiness(cut.checks)).ready).toBe(false);
  expect((await checkReadiness(healthy.liveness)).ready).toBe(true);

  proxy.heal('execution cut');
  await eventually(() => expect(cut.ownedPartitions()).toHaveLength(4), { timeoutMs: 60_000 });
  expect((await checkReadiness(cut.liveness)).ready).toBe(true);
  expect(await platform.logProblems()).toEqual([]);
});

it('an engine alone gives its partitions up too, and lives: it takes them again with the first answer', async () => {
  const lonely = await Platform.start();
  const alone = await NatsProxy.start(lonely.nats.url);
  try {
    const engine = await lonely.execution('alone', { NATS_URL: alone.url, BATUTA_EXECUTION_CUT_OFF: '1s' });
    expect(engine.ownedPartitions()).toHaveLength(8);
    alone.silence('execution alone');
    await eventually(() => expect(engine.ownedPartitions()).toEqual([]));
    expect((await checkReadiness(engine.liveness)).ready).toBe(true);
    alone.heal('execution alone');
    await eventually(() => expect(engine.ownedPartitions()).toHaveLength(8), { timeoutMs: 60_000 });
  } finally {
    await lonely.end();
    await alone.close();
  }
});

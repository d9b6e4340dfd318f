import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startConfig } from '@batuta/config';
import type { RunningConfig } from '@batuta/config';
import { operations } from '@batuta/contracts';
import { connectNats } from '@batuta/messaging';
import { createTestDatabase, eventually, NatsProxy, runFile, startTestNats } from '@batuta/testing';
import type { Child, TestDatabase, TestNats } from '@batuta/testing';
import type { NatsConnection } from '@nats-io/nats-core';
import { logger, settingsFor } from './harness.js';

/** A client whose server goes away between its greeting and its answer notices that after 5 s. */
const LIMIT = { timeoutMs: 60_000 };
/** The name of the connection that its message patterns are served over. */
const PATTERNS = 'config patterns';

let database: TestDatabase;
let nats: TestNats;
let proxy: NatsProxy;
let nc: NatsConnection;

beforeAll(async () => {
  database = await createTestDatabase();
  nats = await startTestNats();
  nc = await connectNats({ url: nats.url, name: 'test', logger });
});
beforeEach(async () => {
  proxy = await NatsProxy.start(nats.url);
});
afterEach(async () => {
  await proxy.close();
});
afterAll(async () => {
  await nc?.close();
  await nats?.close();
  await database?.drop();
});

const readiness = async (port: number): Promise<[number, Record<string, string>]> => {
  const response = await fetch(`http://127.0.0.1:${port}/health/ready`);
  return [response.status, ((await response.json()) as { checks: Record<string, string> }).checks];
};
/** Asks by way of the server, as another process does. */
const authenticate = (): Promise<unknown> => {
  const pattern = operations.apiKeys.authenticate.subject;
  return nc.request(pattern, JSON.stringify({ pattern, data: { keyHash: 'none' }, id: '1' }), { timeout: 10_000 });
};

describe('the config service', () => {
  let service: RunningConfig;
  const losses: Error[] = [];
  beforeEach(async () => {
    losses.length = 0;
    const settings = settingsFor(database.url, proxy.url);
    service = await startConfig({ settings, logger, onLost: (error) => losses.push(error) });
  });
  afterEach(() => service.close());

  it('is not ready while the connection that it is asked over is cut, and only that one', async () => {
    const port = service.opsPort ?? 0;
    expect(await readiness(port)).toEqual([200, { postgres: 'ok', nats: 'ok', requests: 'ok' }]);
    proxy.cut(PATTERNS);
    await eventually(async () =>
      expect(await readiness(port)).toEqual([503, { postgres: 'ok', nats: 'ok', requests: 'not connected' }]),
    );
    await expect(authenticate()).rejects.toThrow(/no responders/i);
    proxy.heal(PATTERNS);
    await eventually(async () => expect(await readiness(port)).toMatchObject([200, { requests: 'ok' }]), LIMIT);
    await authenticate();
    expect(losses).toEqual([]);
  });

  it('says that it is lost when the server takes a subscription from it, and is not ready from then on', async () => {
    const denied = `Permissions Violation for Subscription to "${operations.apiKeys.authenticate.subject}" using queue "config"`;
    proxy.tell(PATTERNS, denied);
    await eventually(() => losses.length > 0, LIMIT);
    expect(await readiness(service.opsPort ?? 0)).toMatchObject([503, { requests: denied }]);
  });
});

describe('the config service as a process', () => {
  let child: Child | undefined;
  afterEach(() => child?.end('SIGKILL'));

  const start = async (): Promise<{ child: Child; port: number }> => {
    const started = runFile('services/config/src/main.ts', {
      env: { DATABASE_URL: database.url, NATS_URL: proxy.url, BATUTA_CONFIG_HTTP_PORT: '0' },
    });
    child = started;
    const port = await eventually(() => /"port":(\d+)/.exec(started.output())?.[1] ?? false, {
      timeoutMs: 60_000,
      describe: 'config has started',
      pointless: started.ended,
    });
    expect((await readiness(Number(port)))[0]).toBe(200);
    return { child: started, port: Number(port) };
  };

  it('is not ready while nats-server is away, and serves on when it is back', async () => {
    const { port } = await start();
    await nats.kill();
    await eventually(async () => expect(await readiness(port)).toMatchObject([503, { nats: 'not connected' }]), LIMIT);
    await nats.start();
    await eventually(async () => expect((await readiness(port))[0]).toBe(200), LIMIT);
    await eventually(authenticate, LIMIT);
  });

  it('ends with 1 and the reason when no request could reach it any more', async () => {
    const { child: process } = await start();
    proxy.tell(
      PATTERNS,
      `Permissions Violation for Subscription to "${operations.configs.get.subject}" using queue "config"`,
    );
    await eventually(() => process.ended() !== undefined, LIMIT);
    expect(process.process.exitCode).toBe(1);
    expect(process.output()).toContain('lost for good');
    expect(process.output()).toContain('Permissions Violation');
  });
});

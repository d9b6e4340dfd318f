import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { natsMicroservice, watchPatterns } from '@batuta/control';
import { connectNats, controlClientOver, isConnected, onLost } from '@batuta/messaging';
import { checkReadiness, createLogger } from '@batuta/observability';
import { eventually, NatsProxy, startTestNats } from '@batuta/testing';
import type { TestNats } from '@batuta/testing';
import type { NatsConnection } from '@nats-io/nats-core';
import type { INestMicroservice } from '@nestjs/common';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern } from '@nestjs/microservices';

const logger = createLogger({ service: 'test', level: 'silent' });
const PATTERN = 'batuta.test.echo';
const SUBSCRIPTION_REFUSED = `Permissions Violation for Subscription to "${PATTERN}" using queue "test"`;
/** A client notices only after 5 s when its server disappears between the greeting and the answer. */
const BACK = { timeoutMs: 60_000 };

@Controller()
class Patterns {
  @MessagePattern(PATTERN)
  echo(): string {
    return 'here';
  }
}

@Module({ controllers: [Patterns] })
class PatternsModule {}

describe('a connection', () => {
  let server: TestNats;
  let proxy: NatsProxy;
  const opened: NatsConnection[] = [];
  beforeAll(async () => {
    server = await startTestNats();
  });
  beforeEach(async () => {
    proxy = await NatsProxy.start(server.url);
  });
  afterEach(async () => {
    for (const nc of opened.splice(0)) await nc.close();
    await proxy.close();
  });
  afterAll(async () => {
    await server?.close();
  });

  const connect = async (url: string): Promise<NatsConnection> => {
    const nc = await connectNats({ url, name: 'test', logger });
    opened.push(nc);
    return nc;
  };
  /** Collects the errors that `onLost` reports. */
  const losses = (nc: NatsConnection, refusedMs?: number): Error[] => {
    const told: Error[] = [];
    onLost(nc, (error) => told.push(error), refusedMs);
    return told;
  };

  it('comes back after the server has refused it several times for being slow', async () => {
    const nc = await connect(proxy.url);
    const told = losses(nc, 0);
    proxy.refuse('test', 'Authentication Timeout');
    await eventually(() => proxy.refusals >= 3, { timeoutMs: 60_000, describe: 'it was refused three times' });
    expect(isConnected(nc)).toBe(false);
    proxy.heal('test');
    await eventually(() => isConnected(nc), BACK);
    await nc.flush();
    expect(told).toEqual([]);
  });

  it('is made although the server first refuses it for being slow', async () => {
    proxy.refuse('test', 'Authentication Timeout');
    const connecting = connect(proxy.url);
    await eventually(() => proxy.refusals >= 2, { describe: 'it was refused twice' });
    proxy.heal('test');
    expect(isConnected(await connecting)).toBe(true);
  });

  it('is lost when the server keeps refusing its credentials, and comes back when the server accepts them in time', async () => {
    const nc = await connect(server.url);
    const [atOnce, patient] = [losses(nc, 0), losses(nc)];
    await server.kill();
    const other = await startTestNats({ port: server.port });
    try {
      await eventually(() => atOnce.length > 0, { timeoutMs: 60_000, describe: 'it is told' });
      expect(atOnce[0]?.message).toMatch(/authorization violation/i);
    } finally {
      await other.close();
      await server.start();
    }
    await eventually(() => isConnected(nc), BACK);
    await nc.flush();
    expect([atOnce.length, patient]).toEqual([1, []]);
  });

  it('is not lost when its own side closes it, nor when the server restarts', async () => {
    const nc = await connect(server.url);
    const told = losses(nc, 0);
    await server.restart();
    await eventually(() => isConnected(nc), BACK);
    await nc.close();
    expect(await nc.closed()).toBeUndefined();
    expect(told).toEqual([]);
  });

  describe('that serves message patterns', () => {
    const apps: INestMicroservice[] = [];
    afterEach(async () => {
      for (const app of apps.splice(0)) await app.close();
    });
    const serve = async (url: string, refusedMs = 60_000) => {
      const app = await NestFactory.createMicroservice(PatternsModule, {
        ...(await natsMicroservice({ url, queue: 'test' })),
        logger: false,
      });
      apps.push(app);
      await app.listen();
      const lost: Error[] = [];
      const check = await watchPatterns(app, { onLost: (error) => lost.push(error), refusedMs });
      const ready = async () => (await checkReadiness({ requests: check }, 200)).checks['requests'];
      return { lost, ready };
    };

    it('is not ready while only its own connection is cut, and is ready again afterwards', async () => {
      const { lost, ready } = await serve(proxy.url);
      const nc = await connect(proxy.url);
      expect(await ready()).toBe('ok');
      proxy.cut('test patterns');
      await eventually(async () => expect(await ready()).toMatch(/not connected/));
      expect(isConnected(nc)).toBe(true);
      proxy.heal('test patterns');
      await eventually(async () => expect(await ready()).toBe('ok'), BACK);
      expect(await controlClientOver(nc).request(PATTERN, {})).toBe('here');
      expect(lost).toEqual([]);
    });

    it('is not ready while an open connection carries nothing', async () => {
      const { ready } = await serve(proxy.url);
      proxy.silence('test patterns');
      expect(await ready()).toBe('no answer within 200 ms');
      proxy.heal('test patterns');
      await eventually(async () => expect(await ready()).toBe('ok'), BACK);
    });

    it('is not ready while the server is away', async () => {
      const { lost, ready } = await serve(server.url);
      await server.kill();
      await eventually(async () => expect(await ready()).not.toBe('ok'));
      await server.start();
      await eventually(async () => expect(await ready()).toBe('ok'), BACK);
      expect(lost).toEqual([]);
    });

    it('is lost when the server refuses the credentials for too long', async () => {
      const { lost, ready } = await serve(proxy.url, 100);
      proxy.refuse('test patterns', 'Authorization Violation');
      await eventually(() => lost.length > 0);
      expect(lost[0]?.message).toMatch(/authorization violation/i);
      expect(await ready()).toMatch(/authorization violation/i);
    });

    it('does not start when the server refuses a subscription', async () => {
      proxy.deny('test patterns', PATTERN, SUBSCRIPTION_REFUSED);
      await expect(serve(proxy.url)).rejects.toThrow(SUBSCRIPTION_REFUSED);
    });

    it('is lost when the server ends a subscription', async () => {
      const { lost, ready } = await serve(proxy.url);
      proxy.tell('test patterns', SUBSCRIPTION_REFUSED);
      await eventually(() => lost.length > 0);
      expect(await ready()).toMatch(/permissions violation/i);
      expect(lost).toHaveLength(1);
    });
  });
});

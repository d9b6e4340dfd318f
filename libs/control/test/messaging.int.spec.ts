import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { STEPS_STREAM, subjects } from '@batuta/contracts';
import { createLogger } from '@batuta/observability';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { INestMicroservice } from '@nestjs/common';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import type { NatsContext } from '@nestjs/microservices';
import { headers as createHeaders } from '@nats-io/nats-core';
import { natsMicroservice } from '@batuta/control';
import {
  connectNats,
  createControlClient,
  ensureLifecycleStream,
  ensurePoolConsumers,
  ensureStepsStream,
  isConnected,
  RemoteError,
  requestUntilAnswered,
  UnavailableError,
} from '@batuta/messaging';
import type { ControlClient } from '@batuta/messaging';
import { startTestNats } from '@batuta/testing';
import type { TestNats } from '@batuta/testing';

const logger = createLogger({ service: 'test', level: 'silent' });

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

@Controller()
class Patterns {
  @MessagePattern('batuta.test.echo')
  echo(@Payload() data: unknown, @Ctx() context: NatsContext): unknown {
    return {
      data,
      traceparent: (context.getHeaders() as { get(name: string): string } | undefined)?.get('traceparent'),
    };
  }

  @MessagePattern('batuta.test.nothing')
  nothing(): null {
    return null;
  }

  @MessagePattern('batuta.test.broken')
  broken(): never {
    throw new TypeError('a bug');
  }
}

@Module({ controllers: [Patterns] })
class PatternsModule {}

describe('messaging', () => {
  let server: TestNats;
  let nc: NatsConnection;
  beforeAll(async () => {
    server = await startTestNats();
    nc = await connectNats({ url: server.url, name: 'test', logger });
  });
  afterAll(async () => {
    await nc?.close();
    await server?.close();
  });

  describe('connectNats', () => {
    it('refuses a server whose message limit is too small, and names the setting', async () => {
      const small = await startTestNats({ config: { max_payload: 1024 * 1024 } });
      try {
        await expect(connectNats({ url: small.url, name: 'test', logger })).rejects.toThrow(/max_payload: 8MB/);
      } finally {
        await small.close();
      }
    });

    it('waits for a server that starts later, and gives up after the time limit', async () => {
      const late = await startTestNats();
      try {
        await late.kill();
        await expect(connectNats({ url: late.url, name: 'test', logger, firstConnectMs: 1 })).rejects.toThrow(
          /refused/i,
        );
        const connecting = connectNats({ url: late.url, name: 'test', logger });
        await late.start();
        await (await connecting).close();
      } finally {
        await late.close();
      }
    });
  });

  describe('the control plane', () => {
    let app: INestMicroservice;
    let client: ControlClient;
    beforeAll(async () => {
      app = await NestFactory.createMicroservice(PatternsModule, {
        ...(await natsMicroservice({ url: server.url, queue: 'test' })),
        logger: false,
      });
      await app.listen();
      client = await createControlClient({ url: server.url, name: 'test', logger });
      await until(() =>
        client.request('batuta.test.nothing', {}).then(
          () => true,
          () => false,
        ),
      );
    });
    afterAll(async () => {
      await client?.close();
      await app?.close();
    });

    it('answers a request with the value that the handler returned, and passes headers on', async () => {
      const headers = createHeaders();
      headers.set('traceparent', '00-aa-bb-01');
      const data = { text: 'ä\u2028', nested: [1, null] };
      expect(await client.request('batuta.test.echo', data, { headers })).toEqual({ data, traceparent: '00-aa-bb-01' });
      expect(await client.request('batuta.test.nothing', {})).toBeNull();
    });

    it('distinguishes a handler that threw from an absent service', async () => {
      await expect(client.request('batuta.test.broken', {})).rejects.toThrow(RemoteError);
      await expect(client.request('batuta.test.nobody', {})).rejects.toThrow(UnavailableError);
    });
  });

  describe('requestUntilAnswered', () => {
    it('repeats the same payload while nobody listens and while nobody answers', async () => {
      const seen: string[] = [];
      const repeats: string[] = [];
      const answer = requestUntilAnswered(nc, 'test.later', 'payload-1', {
        timeoutMs: 30,
        onRepeat: ({ reason }) => repeats.push(reason),
      });
      await until(() => repeats.includes('no_responders'));
      const subscription = nc.subscribe('test.later', {
        callback: (_error, message) => {
          seen.push(message.string());
          if (seen.length === 3) message.respond('done');
        },
      });
      expect((await answer).string()).toBe('done');
      expect(seen).toEqual(['payload-1', 'payload-1', 'payload-1']);
      expect(repeats).toContain('timeout');
      subscription.unsubscribe();
    });

    it('rejects with the reason of its signal, and with UnavailableError at its deadline', async () => {
      const abort = new AbortController();
      const waiting = requestUntilAnswered(nc, 'test.never', '', { signal: abort.signal });
      abort.abort(new Error('told to stop'));
      await expect(waiting).rejects.toThrow('told to stop');
      await expect(requestUntilAnswered(nc, 'test.never', '', { deadlineMs: 40 })).rejects.toThrow(UnavailableError);
    });

    it('repeats as soon as an owner has taken partitions, however long its pause is', async () => {
      let repeats = 0;
      const abort = new AbortController();
      const waiting = requestUntilAnswered(nc, 'test.nobody', '', {
        signal: abort.signal,
        onRepeat: () => {
          repeats += 1;
        },
      });
      // By now a pause takes at least half a second. Twenty of them would exceed the time of this test.
      await until(() => repeats === 6);
      while (repeats < 26) {
        const before = repeats;
        nc.publish(subjects.taken, '{}');
        await until(() => repeats > before);
      }
      abort.abort(new Error('told to stop'));
      await expect(waiting).rejects.toThrow('told to stop');
    });

    it('survives a server that is killed and started again', async () => {
      const other = await startTestNats();
      const client = await connectNats({ url: other.url, name: 'asks', logger });
      const service = await connectNats({ url: other.url, name: 'answers', logger });
      try {
        let silent = true;
        let asked = 0;
        service.subscribe('test.survive', {
          callback: (_error, message) => {
            asked += 1;
            if (!silent) message.respond('done');
          },
        });
        await service.flush();
        const answer = requestUntilAnswered(client, 'test.survive', 'x', { timeoutMs: 60_000 });
        await until(() => asked > 0);
        await other.kill();
        await until(() => !isConnected(client));
        silent = false;
        await other.start();
        // The time-out of the first attempt is a minute away, so the reconnect must have caused the answer.
        expect((await answer).string()).toBe('done');
      } finally {
        await client.close();
        await service.close();
        await other.close();
      }
    });
  });

  describe('streams and consumers', () => {
    it('are created as requested, also twice and by several processes at once', async () => {
      const errors: unknown[] = [];
      const log = { warn: (...args: unknown[]) => errors.push(args), error: (...args: unknown[]) => errors.push(args) };
      const settings = { logger: log as unknown as typeof logger };
      for (let round = 0; round < 2; round++) {
        await Promise.all([ensureStepsStream(nc, settings), ensureStepsStream(nc, settings)]);
        await Promise.all([ensureLifecycleStream(nc, settings), ensureLifecycleStream(nc, settings)]);
        await Promise.all([
          ensurePoolConsumers(nc, 'default', settings),
          ensurePoolConsumers(nc, 'default', settings),
          ensurePoolConsumers(nc, 'other', settings),
        ]);
      }
      const info = await ensureStepsStream(nc, settings);
      expect(info.config).toMatchObject({ retention: 'workqueue', discard: 'new', storage: 'file' });
      expect(errors).toEqual([]);
    });

    it('are updated when they differ from the request, and the difference is logged', async () => {
      const warnings: string[] = [];
      const log = {
        warn: (fields: { different: string[] }) => warnings.push(...fields.different),
        error: (fields: object) => warnings.push(`error ${JSON.stringify(fields)}`),
      };
      const info = await ensurePoolConsumers(nc, 'default', {
        ackWaitMs: 3_000,
        logger: log as unknown as typeof logger,
      });
      expect(info.normal.config.ack_wait).toBe(3_000_000_000);
      expect(warnings).toHaveLength(3);
      expect(warnings[0]).toContain('ack_wait');
    });

    it('keep a task until it is acknowledged', async () => {
      const js = jetstream(nc);
      await js.publish(subjects.step('default', 'normal', 'echo', 'e1', 's1'), '{}', { msgID: 'e1/s1/1/1' });
      const repeated = await js.publish(subjects.step('default', 'normal', 'echo', 'e1', 's1'), '{}', {
        msgID: 'e1/s1/1/1',
      });
      expect(repeated.duplicate).toBe(true);
      const manager = await jetstreamManager(nc);
      expect((await manager.streams.info(STEPS_STREAM)).state.messages).toBe(1);
    });
  });
});

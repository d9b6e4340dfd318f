import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createLogger } from '@batuta/observability';
import type { NatsConnection } from '@nats-io/nats-core';
import { headers } from '@nats-io/nats-core';
import type { INestMicroservice } from '@nestjs/common';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, MessagePattern, NatsContext, Payload } from '@nestjs/microservices';
import { natsMicroservice, servePatternsLocally } from '@batuta/control';
import {
  RemoteError,
  UnavailableError,
  connectNats,
  controlClientOver,
  localHandler,
  requestUntilAnswered,
  serveLocally,
  textOf,
} from '@batuta/messaging';
import { eventually, startTestNats } from '@batuta/testing';
import type { TestNats } from '@batuta/testing';

const logger = createLogger({ service: 'test', level: 'silent' });
const SUBJECT = 'batuta.test.local';

@Controller()
class Patterns {
  @MessagePattern('batuta.test.echo')
  echo(@Payload() data: unknown, @Ctx() context: NatsContext): unknown {
    const meta = context.getHeaders() as { get(name: string): string } | undefined;
    return { data, subject: context.getSubject(), traceparent: meta?.get('traceparent') };
  }

  @MessagePattern('batuta.test.nothing')
  nothing(): undefined {
    return undefined;
  }

  @MessagePattern('batuta.test.broken')
  broken(): never {
    throw new TypeError('a bug');
  }
}

@Module({ controllers: [Patterns] })
class PatternsModule {}

describe('services in one process', () => {
  let server: TestNats;
  let other: TestNats;
  let asking: NatsConnection;
  let serving: NatsConnection;
  const ends: (() => void)[] = [];

  const connect = (url: string): Promise<NatsConnection> => connectNats({ url, name: 'test', logger });
  const serve = (nc: NatsConnection, answer: string): void => {
    ends.push(serveLocally(nc, SUBJECT, ({ payload, reply }) => reply?.(`${answer} ${textOf(payload)}`)));
  };
  const ask = async (nc: NatsConnection, options: { attempts?: number; timeoutMs?: number } = {}): Promise<string> =>
    (await requestUntilAnswered(nc, SUBJECT, 'question', { attempts: 1, ...options })).string();

  beforeAll(async () => {
    [server, other] = await Promise.all([startTestNats(), startTestNats()]);
    [asking, serving] = await Promise.all([connect(server.url), connect(server.url)]);
  });
  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });
  afterAll(async () => {
    await Promise.all([asking?.close(), serving?.close()]);
    await Promise.all([server?.close(), other?.close()]);
  });

  it('answer without nats-server, where nobody has subscribed', async () => {
    serve(serving, 'answer to');
    expect(await ask(asking)).toBe('answer to question');
  });

  it('get requests through nats-server again after they stop serving locally', async () => {
    serve(serving, 'local');
    const subscription = serving.subscribe(SUBJECT, { callback: (_, message) => void message.respond('remote') });
    await serving.flush();
    expect(await ask(asking)).toBe('local question');
    for (const end of ends.splice(0)) end();
    expect(await ask(asking)).toBe('remote');
    subscription.unsubscribe();
  });

  it('get requests through nats-server when two serve the same subject, and when the connection is to another server or closed', async () => {
    serve(serving, 'first');
    const elsewhere = await connect(other.url);
    serve(elsewhere, 'elsewhere');
    expect(await ask(asking)).toBe('first question');
    expect(await ask(elsewhere)).toBe('elsewhere question');
    serve(asking, 'second');
    await expect(ask(asking)).rejects.toThrow(UnavailableError);
    await elsewhere.close();
    expect(localHandler(elsewhere, SUBJECT)).toBeUndefined();
  });

  it('time out like remote services, and a late answer has no effect', async () => {
    let late: ((text: string) => void) | undefined;
    ends.push(serveLocally(serving, SUBJECT, ({ reply }) => (late = reply)));
    await expect(ask(asking, { timeoutMs: 60 })).rejects.toThrow(/timeout/);
    late?.('too late');
    serve(asking, 'second');
    ends.shift()?.();
    expect(await ask(asking)).toBe('second question');
  });

  it('get the headers, and are called only after the caller has gone on', async () => {
    const heard: string[] = [];
    ends.push(
      serveLocally(serving, SUBJECT, (message) => {
        heard.push(message.headers?.get('Batuta-End') ?? '');
        message.reply?.('');
      }),
    );
    const meta = headers();
    meta.set('Batuta-End', 'x');
    const answered = requestUntilAnswered(asking, SUBJECT, 'q', { headers: meta });
    expect(heard).toEqual([]);
    await answered;
    expect(heard).toEqual(['x']);
  });

  describe('with message patterns of Nest', () => {
    let app: INestMicroservice;
    beforeAll(async () => {
      // Its own connection is to the other server, so its answers cannot have gone through this one.
      app = await NestFactory.createMicroservice(PatternsModule, {
        ...(await natsMicroservice({ url: other.url, queue: 'test' })),
        logger: false,
      });
      await app.listen();
    });
    afterAll(async () => {
      await app?.close();
    });

    it('answer with subject and headers known, also with nothing, and report a handler that threw', async () => {
      ends.push(await servePatternsLocally(serving, app));
      const control = controlClientOver(asking);
      const meta = headers();
      meta.set('traceparent', '00-1-2-01');
      expect(await control.request('batuta.test.echo', { a: 1 }, { headers: meta })).toEqual({
        data: { a: 1 },
        subject: 'batuta.test.echo',
        traceparent: '00-1-2-01',
      });
      expect(await control.request('batuta.test.nothing', {})).toBeUndefined();
      await expect(control.request('batuta.test.broken', {})).rejects.toThrow(RemoteError);
      for (const end of ends.splice(0)) end();
      await expect(control.request('batuta.test.echo', {}, { timeoutMs: 60_000 })).rejects.toThrow(/nobody serves/);
    });

    it('can answer a pattern without the pipeline of Nest', async () => {
      const asked: unknown[] = [];
      ends.push(
        await servePatternsLocally(serving, app, {
          'batuta.test.echo': (data) => Promise.resolve(asked.push(data)),
          'batuta.test.broken': () => Promise.reject(new Error('refused')),
        }),
      );
      const control = controlClientOver(asking);
      expect(await control.request('batuta.test.echo', { b: 2 })).toBe(1);
      expect(asked).toEqual([{ b: 2 }]);
      await expect(control.request('batuta.test.broken', {})).rejects.toThrow(RemoteError);
    });
  });

  it('get requests through nats-server from clients of a restarted server, until they are connected to it too', async () => {
    serve(serving, 'local');
    await server.restart();
    await eventually(async () => expect(await ask(asking, { timeoutMs: 2_000 })).toBe('local question'), {
      describe: 'both are connected to the same server again',
    });
  });
});

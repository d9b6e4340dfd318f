import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { connectNats, isConnected, onReconnect, requestMux, writeAtOnce } from '@batuta/messaging';
import type { Log, RequestOutcome } from '@batuta/messaging';
import { eventually, startTestNats } from '@batuta/testing';
import type { TestNats } from '@batuta/testing';
import { headers as createHeaders } from '@nats-io/nats-core';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Socket } from 'node:net';
import { setImmediate as turnOver } from 'node:timers/promises';

const nothing = (): void => undefined;
const logger: Log = { info: nothing, warn: nothing, error: nothing };

describe('requests and writes', () => {
  let server: TestNats;
  let connections: NatsConnection[] = [];

  const connect = async (name: string): Promise<NatsConnection> => {
    const nc = await connectNats({ url: server.url, name, logger });
    connections.push(nc);
    return nc;
  };
  /** Kills the server, starts it again on its port, and waits until all connections are back and have been told. */
  const restart = async (): Promise<void> => {
    const heard = connections.map((nc) => new Promise<void>((resolve) => onReconnect(nc, resolve)));
    await server.kill();
    await eventually(() => connections.every((nc) => !isConnected(nc)), { describe: 'all have lost the server' });
    await server.start();
    await Promise.all(heard);
  };

  beforeAll(async () => {
    server = await startTestNats();
  });
  afterEach(async () => {
    for (const nc of connections.splice(0)) await nc.close();
    connections = [];
  });
  afterAll(async () => {
    await server?.close();
  });

  describe('requestMux', () => {
    const ask = (
      nc: NatsConnection,
      subject: string,
      { payload = '', timeoutMs = 60_000 }: { payload?: string; timeoutMs?: number } = {},
    ): Promise<RequestOutcome> =>
      new Promise((resolve) => requestMux(nc).send(subject, payload, undefined, timeoutMs, resolve));

    it('gives each of many concurrent requests its own answer, in whatever order the answers come', async () => {
      const service = await connect('answers');
      const client = await connect('asks');
      const held: (() => void)[] = [];
      service.subscribe('mux.echo', {
        callback: (_error, message) => {
          held.push(() => message.respond(`answer to ${message.string()}`));
          if (held.length < 500) return;
          // The last request is answered first: only the subject tells to which request an answer belongs.
          for (const respond of held.splice(0).toReversed()) respond();
        },
      });
      await service.flush();
      const outcomes = await Promise.all(
        Array.from({ length: 500 }, (_, n) => ask(client, 'mux.echo', { payload: `question ${n}` })),
      );
      const texts = outcomes.map((outcome) => (typeof outcome === 'string' ? outcome : outcome.string()));
      expect(texts).toEqual(Array.from({ length: 500 }, (_, n) => `answer to question ${n}`));
    });

    it('passes headers on, and returns only the first of two answers', async () => {
      const service = await connect('answers');
      const client = await connect('asks');
      service.subscribe('mux.headers', {
        callback: (_error, message) => {
          message.respond(message.headers?.get('X-Test') ?? 'no header');
          message.respond('again');
        },
      });
      await service.flush();
      const meta = createHeaders();
      meta.set('X-Test', 'with header');
      const outcomes: RequestOutcome[] = [];
      requestMux(client).send('mux.headers', '', meta, 60_000, (outcome) => outcomes.push(outcome));
      await eventually(() => outcomes.length > 0);
      // Messages keep their order, so the second answer arrived before the answer to this request.
      await ask(client, 'mux.headers');
      expect(outcomes.map((outcome) => (typeof outcome === 'string' ? outcome : outcome.string()))).toEqual([
        'with header',
      ]);
    });

    it('reports each time-out at the time of its own request, and drops a late answer', async () => {
      const service = await connect('answers');
      const client = await connect('asks');
      let respond: (() => void) | undefined;
      service.subscribe('mux.silent', {
        callback: (_error, message) => {
          respond ??= () => message.respond('late');
        },
      });
      service.subscribe('mux.quick', { callback: (_error, message) => void message.respond('quick') });
      await service.flush();
      const settled: RequestOutcome[] = [];
      let patient: RequestOutcome | undefined;
      // Sent first, with the longer time. It must not delay the time-out of the other request.
      requestMux(client).send('mux.silent', '', undefined, 60_000, (outcome) => (patient = outcome));
      const began = performance.now();
      requestMux(client).send('mux.silent', '', undefined, 120, (outcome) => settled.push(outcome));
      await eventually(() => settled.length > 0);
      expect(settled).toEqual(['timeout']);
      expect(performance.now() - began).toBeGreaterThanOrEqual(119);
      expect(patient).toBeUndefined();
      respond?.();
      await eventually(() => patient !== undefined);
      await ask(client, 'mux.quick');
      expect(settled).toEqual(['timeout']);
      expect(typeof patient === 'object' && patient.string()).toBe('late');
    });

    it('reports at once that nobody listens', async () => {
      const client = await connect('asks');
      expect(await ask(client, 'mux.nobody')).toBe('no_responders');
    });

    it('accepts an empty answer', async () => {
      const service = await connect('answers');
      const client = await connect('asks');
      service.subscribe('mux.empty', { callback: (_error, message) => void message.respond('') });
      await service.flush();
      const outcome = await ask(client, 'mux.empty');
      expect(typeof outcome === 'object' && outcome.string()).toBe('');
    });

    it('reports lost requests after a reconnect, and answers later requests', async () => {
      const service = await connect('answers');
      const client = await connect('asks');
      let answering = false;
      let asked = 0;
      service.subscribe('mux.restart', {
        callback: (_error, message) => {
          asked += 1;
          if (answering) message.respond('done');
        },
      });
      await service.flush();
      const first = ask(client, 'mux.restart');
      await eventually(() => asked === 1, { describe: 'the request has arrived' });
      await restart();
      // Its time-out would come a minute later.
      expect(await first).toBe('lost');
      answering = true;
      await service.flush();
      const second = await ask(client, 'mux.restart');
      expect(typeof second === 'object' && second.string()).toBe('done');
    });

    it('reports lost requests when the connection is closed', async () => {
      const service = await connect('answers');
      const client = await connect('asks');
      service.subscribe('mux.closed', { callback: () => undefined });
      await service.flush();
      const waiting = ask(client, 'mux.closed');
      await client.close();
      expect(await waiting).toBe('lost');
    });

    it('never settles a forgotten request, whether by an answer, a time-out or a reconnect', async () => {
      const service = await connect('answers');
      const client = await connect('asks');
      const settled: RequestOutcome[] = [];
      const note = (outcome: RequestOutcome): void => void settled.push(outcome);
      let asked = 0;
      let respond: (() => void) | undefined;
      service.subscribe('mux.forgotten', {
        callback: (_error, message) => {
          asked += 1;
          respond ??= () => message.respond('unwanted');
        },
      });
      service.subscribe('mux.quick', { callback: (_error, message) => void message.respond('quick') });
      await service.flush();
      const mux = requestMux(client);
      const forgetAnswered = mux.send('mux.forgotten', '', undefined, 60_000, note);
      const forgetLate = mux.send('mux.forgotten', '', undefined, 60, note);
      const forgetLost = mux.send('mux.forgotten', '', undefined, 60_000, note);
      await eventually(() => asked === 3);
      forgetAnswered();
      forgetLate();
      forgetLost();
      respond?.();
      await ask(client, 'mux.quick');
      // A later request with the same time-out has run out, so the forgotten one would have run out too.
      expect(await ask(client, 'mux.forgotten', { timeoutMs: 60 })).toBe('timeout');
      const lost = ask(client, 'mux.forgotten');
      await eventually(() => asked === 5);
      await restart();
      expect(await lost).toBe('lost');
      expect(settled).toEqual([]);
    });
  });

  describe('gathered writes', () => {
    /** Records what is written to the socket of a connection from now on. */
    const watchWrites = (nc: NatsConnection): Buffer[] => {
      const { socket } = (nc as unknown as { protocol: { transport: { socket: Socket } } }).protocol.transport;
      const writes: Buffer[] = [];
      const write = socket.write.bind(socket) as (...parameters: unknown[]) => boolean;
      socket.write = (...parameters: unknown[]): boolean => {
        writes.push(Buffer.from(parameters[0] as Uint8Array));
        return write(...parameters);
      };
      return writes;
    };
    /** Runs all microtasks of this turn of the event loop, without ending the turn. */
    const microtasks = async (): Promise<void> => {
      for (let n = 0; n < 50; n++) await Promise.resolve();
    };
    const published = (write: Buffer | undefined): string[] =>
      [...(write?.toString().matchAll(/^PUB writes\.(\w+)/gm) ?? [])].map(([, name = '']) => name);

    it('join everything that one turn of the event loop publishes, in order', async () => {
      const nc = await connect('writes');
      const reader = await connect('reads');
      const seen: string[] = [];
      reader.subscribe('writes.*', { callback: (_error, message) => void seen.push(message.string()) });
      await reader.flush();
      await turnOver();
      const writes = watchWrites(nc);
      for (let n = 0; n < 100; n++) {
        nc.publish(`writes.n${n % 7}`, String(n));
        // Without gathering, the client would write here.
        await microtasks();
      }
      expect(writes).toHaveLength(0);
      await turnOver();
      expect(writes).toHaveLength(1);
      expect(published(writes[0])).toEqual(Array.from({ length: 100 }, (_, n) => `n${n % 7}`));
      await eventually(() => seen.length === 100);
      expect(seen).toEqual(Array.from({ length: 100 }, (_, n) => String(n)));
    });

    it('do not wait once they are larger than 64 KiB, and stay in order', async () => {
      const nc = await connect('writes');
      const reader = await connect('reads');
      const seen: string[] = [];
      reader.subscribe('writes.*', { callback: (_error, message) => void seen.push(message.string().slice(0, 8)) });
      await reader.flush();
      await turnOver();
      const writes = watchWrites(nc);
      nc.publish('writes.small', 'small');
      await microtasks();
      nc.publish('writes.half', `half    ${'x'.repeat(40 * 1024)}`);
      await microtasks();
      expect(writes).toHaveLength(0);
      nc.publish('writes.large', `large   ${'x'.repeat(40 * 1024)}`);
      await microtasks();
      expect(writes.map(published)).toEqual([['small', 'half', 'large']]);
      nc.publish('writes.next', 'next');
      await microtasks();
      expect(writes).toHaveLength(1);
      await turnOver();
      expect(writes.map(published)).toEqual([['small', 'half', 'large'], ['next']]);
      await eventually(() => seen.length === 4);
      expect(seen).toEqual(['small', 'half    ', 'large   ', 'next']);
    });

    it('go out within the turn on request, together with earlier messages, and only once', async () => {
      const nc = await connect('writes');
      await nc.flush();
      await turnOver();
      const writes = watchWrites(nc);
      nc.publish('writes.before', '');
      await microtasks();
      nc.publish('writes.precious', '');
      writeAtOnce(nc);
      await microtasks();
      expect(writes.map(published)).toEqual([['before', 'precious']]);
      nc.publish('writes.after', '');
      await microtasks();
      expect(writes).toHaveLength(1);
      await turnOver();
      expect(writes.map(published)).toEqual([['before', 'precious'], ['after']]);
    });

    it('lose no message when the connection is drained in the same turn', async () => {
      const nc = await connect('writes');
      const reader = await connect('reads');
      const seen: string[] = [];
      reader.subscribe('writes.*', { callback: (_error, message) => void seen.push(message.string()) });
      await reader.flush();
      nc.publish('writes.last', 'last');
      await nc.drain();
      await eventually(() => expect(seen).toEqual(['last']));
    });

    it('are gathered after a reconnect too', async () => {
      const nc = await connect('writes');
      const reader = await connect('reads');
      const seen: string[] = [];
      reader.subscribe('writes.*', { callback: (_error, message) => void seen.push(message.string()) });
      await reader.flush();
      await restart();
      await Promise.all([nc.flush(), reader.flush()]);
      await turnOver();
      const writes = watchWrites(nc);
      for (let n = 0; n < 20; n++) {
        nc.publish('writes.n', String(n));
        await microtasks();
      }
      expect(writes).toHaveLength(0);
      await turnOver();
      expect(writes).toHaveLength(1);
      nc.publish('writes.n', '20');
      writeAtOnce(nc);
      await microtasks();
      expect(writes).toHaveLength(2);
      await eventually(() => seen.length === 21);
      expect(seen).toEqual(Array.from({ length: 21 }, (_, n) => String(n)));
    });
  });
});

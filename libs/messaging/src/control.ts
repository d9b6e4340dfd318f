import type { Logger } from '@batuta/observability';
import type { MsgHdrs, NatsConnection } from '@nats-io/nats-core';
import type { NatsOptions, Transport } from '@nestjs/microservices';
import { connectNats, natsClientOptions } from './connection.js';
import { RemoteError, UnavailableError } from './errors.js';
import { isNoResponders, isTimeout } from './request.js';

/** `Transport.NATS`; written out because importing the enum loads all of Nest's transports. */
const NATS_TRANSPORT = 2 as Transport.NATS;

/**
 * Options for `app.connectMicroservice`: message patterns over core NATS request/reply. Replicas of one service share the
 * queue group `queue`, so that each request is answered once.
 */
export function natsMicroservice(options: { url: string; queue: string; name?: string }): NatsOptions {
  return {
    transport: NATS_TRANSPORT,
    options: { ...natsClientOptions(options.url, options.name ?? options.queue), queue: options.queue },
  };
}

export interface ControlRequestOptions {
  /** Milliseconds, default 5,000. */
  readonly timeoutMs?: number;
  readonly headers?: MsgHdrs;
}

/** Asks services that serve Nest message patterns. */
export interface ControlClient {
  /**
   * Sends `data` to a pattern and gives the handler's answer. Rejects with `UnavailableError` when nobody answers in
   * time, with `RemoteError` when the handler threw.
   */
  request<Reply>(pattern: string, data: unknown, options?: ControlRequestOptions): Promise<Reply>;
  close(): Promise<void>;
}

let lastPacketId = 0;

/** A control client over a connection that exists already and stays open when the client is closed. */
export function controlClientOver(nc: NatsConnection): ControlClient {
  return {
    async request<Reply>(pattern: string, data: unknown, options: ControlRequestOptions = {}): Promise<Reply> {
      const { timeoutMs = 5_000, headers } = options;
      const id = String(++lastPacketId);
      // Nest's packet (ServerNats): {pattern, data, id} is answered with {response | err, isDisposed, id}.
      const payload = JSON.stringify({ pattern, data, id });
      const reply = await nc
        .request(pattern, payload, { timeout: timeoutMs, ...(headers === undefined ? {} : { headers }) })
        .catch((error: unknown) => {
          if (isNoResponders(error)) throw new UnavailableError(`nobody serves ${pattern}`, { cause: error });
          if (isTimeout(error)) {
            throw new UnavailableError(`${pattern} was not answered within ${timeoutMs} ms`, { cause: error });
          }
          if (nc.isClosed()) throw new UnavailableError('the NATS connection is closed', { cause: error });
          throw error;
        });
      const packet = reply.json<{ response?: Reply; err?: unknown }>();
      if (packet.err !== undefined && packet.err !== null) throw new RemoteError(pattern, packet.err);
      return packet.response as Reply;
    },
    close: () => Promise.resolve(),
  };
}

/** A control client with a connection of its own. Throws as `connectNats` does. */
export async function createControlClient(options: {
  url: string;
  name: string;
  logger: Pick<Logger, 'info' | 'warn' | 'error'>;
}): Promise<ControlClient> {
  const nc = await connectNats(options);
  return { ...controlClientOver(nc), close: () => nc.close() };
}

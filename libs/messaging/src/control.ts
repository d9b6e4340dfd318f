import { NoRespondersError } from '@nats-io/nats-core';
import type { MsgHdrs, NatsConnection } from '@nats-io/nats-core';
import { connectNats } from './connection.js';
import { RemoteError, UnavailableError } from './errors.js';
import type { Log } from './log.js';
import { requestMux } from './request-mux.js';
import type { RequestOutcome } from './request-mux.js';

/**
 * The error in a reply when a service cannot reach its database. It says nothing about the request, so the request may
 * be sent again.
 */
export const DATABASE_OUTAGE = 'batuta: the database does not answer';

interface ControlRequestOptions {
  /** Milliseconds, default 5,000. */
  readonly timeoutMs?: number;
  readonly headers?: MsgHdrs;
}

/** Sends requests to services that serve Nest message patterns. */
export interface ControlClient {
  /**
   * Sends `data` to a pattern and returns the handler's answer. Rejects with `UnavailableError` when nobody answers in
   * time or the service cannot use its database, and with `RemoteError` when the handler threw.
   */
  request<Reply>(pattern: string, data: unknown, options?: ControlRequestOptions): Promise<Reply>;
  close(): Promise<void>;
}

let lastPacketId = 0;

/** A control client over an existing connection. Closing the client leaves the connection open. */
export function controlClientOver(nc: NatsConnection): ControlClient {
  return {
    async request<Reply>(pattern: string, data: unknown, options: ControlRequestOptions = {}): Promise<Reply> {
      const { timeoutMs = 5_000, headers } = options;
      const id = String(++lastPacketId);
      // Nest's packet format (ServerNats): {pattern, data, id} is answered with {response | err, isDisposed, id}.
      const payload = JSON.stringify({ pattern, data, id });
      if (nc.isClosed()) throw new UnavailableError('the NATS connection is closed');
      const reply = await new Promise<RequestOutcome>((resolve) => {
        requestMux(nc).send(pattern, payload, headers, timeoutMs, resolve);
      });
      switch (reply) {
        case 'no_responders':
          throw new UnavailableError(`nobody serves ${pattern}`, { cause: new NoRespondersError(pattern) });
        case 'timeout':
          throw new UnavailableError(`${pattern} was not answered within ${timeoutMs} ms`);
        case 'lost':
          throw new UnavailableError(`${pattern} was not answered: the connection was renewed or closed`);
      }
      const packet = reply.json<{ response?: Reply; err?: unknown }>();
      if (packet.err !== undefined && packet.err !== null) throw failureOf(pattern, packet.err);
      return packet.response as Reply;
    },
    close: () => Promise.resolve(),
  };
}

function failureOf(pattern: string, err: unknown): Error {
  const isOutage = typeof err === 'object' && err !== null && 'message' in err && err.message === DATABASE_OUTAGE;
  return isOutage
    ? new UnavailableError(`${pattern}: the service cannot use its database now`)
    : new RemoteError(pattern, err);
}

/** A control client with its own connection. Throws as `connectNats` does. */
export async function createControlClient(options: { url: string; name: string; logger: Log }): Promise<ControlClient> {
  const nc = await connectNats(options);
  return { ...controlClientOver(nc), close: () => nc.close() };
}

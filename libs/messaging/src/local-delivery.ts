import type { MsgHdrs, NatsConnection } from '@nats-io/nats-core';

/**
 * A JSON message. A receiver in this process gets the value itself, and nobody may change the value from then on. Every
 * other receiver gets it as text. Use it only for values that survive a round trip through JSON unchanged, so that both
 * kinds of receivers get the same.
 */
export class JsonMessage<T = unknown> {
  constructor(readonly value: T) {}

  text(): string {
    return JSON.stringify(this.value);
  }
}

/** A message between two services that run in the same process. */
interface LocalMessage {
  readonly payload: string | JsonMessage;
  readonly headers: MsgHdrs | undefined;
  /** Undefined when no answer is wanted. Called at most once. */
  readonly reply: ((text: string) => void) | undefined;
}

/** The text of a payload. */
export function textOf(payload: string | JsonMessage): string {
  return typeof payload === 'string' ? payload : payload.text();
}

type LocalHandler = (message: LocalMessage) => void;

interface Entry {
  readonly nc: NatsConnection;
  readonly handler: LocalHandler;
}

const served = new Map<string, Entry[]>();

/**
 * Serves a subject to senders in this process directly, in addition to a subscription, so that messages need not pass
 * through nats-server. It serves only connections to the same server, which keeps several platforms in one process
 * (tests) apart. Call the returned function to stop.
 */
export function serveLocally(nc: NatsConnection, subject: string, handler: LocalHandler): () => void {
  const entry: Entry = { nc, handler };
  const entries = served.get(subject);
  if (entries === undefined) served.set(subject, [entry]);
  else entries.push(entry);
  return () => {
    const left = (served.get(subject) ?? []).filter((other) => other !== entry);
    if (left.length === 0) served.delete(subject);
    else served.set(subject, left);
  };
}

/**
 * The handler of a subject in this process, if there is exactly one. Undefined when the message must go through
 * nats-server.
 */
export function localHandler(nc: NatsConnection, subject: string): LocalHandler | undefined {
  const entries = served.get(subject);
  if (entries === undefined) return undefined;
  const server = nc.info?.server_id;
  let found: LocalHandler | undefined;
  for (const entry of entries) {
    if (entry.nc.isClosed() || entry.nc.info?.server_id !== server) continue;
    if (found !== undefined) return undefined;
    found = entry.handler;
  }
  return found;
}

import type { MsgHdrs, NatsConnection } from '@nats-io/nats-core';

/**
 * A message of JSON. Whoever hears it in this process gets the value itself, which nobody may change from then on; for everybody
 * else it is written as text. Only for values that are JSON through and through, so that both come to the same.
 */
export class JsonMessage<T = unknown> {
  constructor(readonly value: T) {}

  text(): string {
    return JSON.stringify(this.value);
  }
}

/** A message between two services that happen to run in one process. */
export interface LocalMessage {
  readonly payload: string | JsonMessage;
  readonly headers: MsgHdrs | undefined;
  /** Undefined when no answer is wanted; called at most once. */
  readonly reply: ((text: string) => void) | undefined;
}

/** The text of a payload, however it came. */
export function textOf(payload: string | JsonMessage): string {
  return typeof payload === 'string' ? payload : payload.text();
}

export type LocalHandler = (message: LocalMessage) => void;

interface Entry {
  readonly nc: NatsConnection;
  readonly handler: LocalHandler;
}

const served = new Map<string, Entry[]>();

/**
 * Besides a subscription: serves a subject to this process itself, without the way through nats-server. Only those hear it
 * whose connection is to the same server, so that platforms that share a process by accident (tests) stay apart. The
 * result ends it.
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

/** Who serves a subject in this process, when exactly one does; undefined when the message has to go through nats-server. */
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

import { subjects } from '@batuta/contracts';
import type { NatsConnection } from '@nats-io/nats-core';

const byConnection = new WeakMap<NatsConnection, Set<() => void>>();

/**
 * Calls `listener` whenever an owner has taken over partitions. Call the returned function to stop. The connection
 * subscribes at the first call, and stays subscribed.
 */
export function onTaken(nc: NatsConnection, listener: () => void): () => void {
  let listeners = byConnection.get(nc);
  if (listeners === undefined) {
    if (nc.isClosed() || nc.isDraining()) return () => undefined;
    const known = new Set<() => void>();
    listeners = known;
    byConnection.set(nc, known);
    nc.subscribe(subjects.taken, {
      callback: (error) => {
        if (error === null) for (const one of known) one();
      },
    });
  }
  const known = listeners;
  known.add(listener);
  return () => known.delete(listener);
}

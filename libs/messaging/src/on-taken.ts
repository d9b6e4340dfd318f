import { subjects } from '@batuta/contracts';
import type { NatsConnection } from '@nats-io/nats-core';

const byConnection = new WeakMap<NatsConnection, Set<() => void>>();

/**
 * Calls `listener` whenever an owner has taken partitions; the result ends that. The connection subscribes when it is first
 * asked to, and stays subscribed.
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

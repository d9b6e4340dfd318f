import { isConnected } from '@batuta/messaging';
import type { ReadinessCheck } from '@batuta/observability';
import type { OpenedBus } from './open-bus.js';
import type { Database } from './open-database.js';
import type { OpenedEngine } from './open-engine.js';

/** A service that cannot dispatch tasks for this long is not ready. */
const UNDISPATCHED_MS = 10_000;

/** Whether the service is ready, and whether only a restart can repair it. */
export function serviceChecks(
  { store }: Database,
  { nats, bus }: OpenedBus,
  { engine }: OpenedEngine,
  requests: ReadinessCheck,
): Record<'checks' | 'liveness', Record<string, ReadinessCheck>> {
  const checks: Record<string, ReadinessCheck> = {
    postgres: () => store.ping(),
    nats: () => {
      if (!isConnected(nats)) throw new Error('not connected');
      const ms = bus.cutOffMs();
      if (ms !== undefined) throw new Error(`the server has not answered for ${Math.round(ms / 1_000)} s`);
    },
    requests,
    tasks: () => {
      const { tasks, oldestMs } = engine.effects.undispatched;
      if (oldestMs < UNDISPATCHED_MS) return;
      const reason = bus.refusal() ?? 'see the log';
      throw new Error(
        `${tasks} tasks cannot be dispatched, the oldest for ${Math.round(oldestMs / 1_000)} s: ${reason}`,
      );
    },
  };
  const liveness: Record<string, ReadinessCheck> = {
    nats: () => {
      const ms = engine.cutOffAloneMs;
      if (ms === undefined) return;
      throw new Error(`cut off from NATS for ${Math.round(ms / 1_000)} s, while other engines are not`);
    },
  };
  return { checks, liveness };
}

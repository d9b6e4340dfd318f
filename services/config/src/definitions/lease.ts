import { setTimeout as delay } from 'node:timers/promises';

/**
 * How long a start may use a version that it has looked up (ADR 0014), in milliseconds. Each change is answered this
 * much later.
 */
export const LEASE_MS = 200;
/** Timers may fire a little early. */
const MARGIN_MS = 5;

/** Resolves when no start can still use the state before a committed change. */
export function leasesEnded(): Promise<void> {
  return delay(LEASE_MS + MARGIN_MS);
}

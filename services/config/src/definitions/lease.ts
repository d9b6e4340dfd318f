import { setTimeout as delay } from 'node:timers/promises';

/** How long starts may go on with the version that they were told (ADR 0014): each change is answered that much later. */
export const LEASE_MS = 200;
/** Timers may be a little early. */
const MARGIN_MS = 5;

/** Resolves when no start holds any more what was true before a change that is committed. */
export function leasesEnded(): Promise<void> {
  return delay(LEASE_MS + MARGIN_MS);
}

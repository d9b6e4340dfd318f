import { randomInt } from 'node:crypto';
import type { Clock, Random } from './ports.js';

/** The machine's clock. Timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  after(ms, callback) {
    // Longer timeouts overflow. The caller then looks again.
    const timer = setTimeout(callback, Math.min(ms, 2_147_483_647));
    return () => clearTimeout(timer);
  },
  soon(callback) {
    setImmediate(callback);
  },
  next(callback) {
    process.nextTick(callback);
  },
};

const UINT32 = 2 ** 32;

export const systemRandom: Random = {
  seed: () => Math.floor(Math.random() * UINT32),
};

/** A value that no other start of a process has. */
export function newIncarnation(): string {
  return `${Date.now().toString(36)}-${randomInt(UINT32).toString(36)}`;
}

import type { Clock, EngineLog } from '../ports/ports.js';
import { systemClock } from '../ports/system-ports.js';

/** Smaller differences are normal for a network and two ordinary clocks. */
const TOLERATED_MS = 100;
const TOLD_MS = 1_000;

/**
 * The machine's clock, corrected by the store's clock. So a future time that one engine stores means the same to all
 * others, even when its machine's clock is wrong. Differences below 100 ms are ignored.
 */
export class StoreClock implements Clock {
  readonly #log: Pick<EngineLog, 'warn' | 'info'>;
  /** How far the machine's clock is ahead, in milliseconds. */
  #ahead = 0;
  #measured = 0;
  #told = 0;

  constructor(log: Pick<EngineLog, 'warn' | 'info'>) {
    this.#log = log;
  }

  /** How far the machine's clock was ahead of the store's at the last check, in milliseconds. */
  get skewMs(): number {
    return this.#measured;
  }

  /** The store's clock showed `time`, `agoMs` milliseconds ago. */
  heard(time: number, agoMs: number): void {
    const aheadMs = systemClock.now() - agoMs - time;
    if (!Number.isFinite(aheadMs)) return;
    this.#measured = aheadMs;
    if (Math.abs(aheadMs - this.#ahead) > TOLERATED_MS) {
      this.#ahead = Math.abs(aheadMs) > TOLERATED_MS ? aheadMs : 0;
    }
    if (Math.abs(aheadMs - this.#told) < TOLD_MS) return;
    this.#told = Math.abs(aheadMs) < TOLD_MS ? 0 : aheadMs;
    if (this.#told === 0) {
      this.#log.info({ ms: Math.round(aheadMs) }, 'this machine’s clock is right again');
    } else {
      this.#log.warn({ ms: Math.round(aheadMs) }, 'this machine’s clock differs from PostgreSQL’s, whose time is used');
    }
  }

  now(): number {
    return Math.round(systemClock.now() - this.#ahead);
  }

  elapsed(): number {
    return systemClock.elapsed();
  }

  after(ms: number, callback: () => void): () => void {
    return systemClock.after(ms, callback);
  }

  soon(callback: () => void): void {
    systemClock.soon(callback);
  }

  next(callback: () => void): void {
    systemClock.next(callback);
  }
}

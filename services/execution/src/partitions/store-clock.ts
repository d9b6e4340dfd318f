import type { Clock, EngineLog } from './ports.js';
import { systemClock } from './system-ports.js';

/** Smaller differences are what a network and two ordinary clocks come to. */
const TOLERATED_MS = 100;
const TOLD_MS = 1_000;

/**
 * The machine's clock, set right by the store's: what one engine writes down as a time to come means the same to all others, also
 * when its machine's clock is wrong. Differences of less than 100 ms are left alone.
 */
export class StoreClock implements Clock {
  /** By how much the machine is ahead, ms. */
  #ahead = 0;
  #measured = 0;
  #told = 0;

  constructor(private readonly log: Pick<EngineLog, 'warn' | 'info'>) {}

  /** Milliseconds by which the machine's clock was ahead of the store's when that was last looked at. */
  get skewMs(): number {
    return this.#measured;
  }

  /** The store's clock said so, so many milliseconds ago. */
  heard(time: number, agoMs: number): void {
    const aheadMs = systemClock.now() - agoMs - time;
    if (!Number.isFinite(aheadMs)) return;
    this.#measured = aheadMs;
    if (Math.abs(aheadMs - this.#ahead) > TOLERATED_MS) {
      this.#ahead = Math.abs(aheadMs) > TOLERATED_MS ? aheadMs : 0;
    }
    if (Math.abs(aheadMs - this.#told) < TOLD_MS) return;
    this.#told = Math.abs(aheadMs) < TOLD_MS ? 0 : aheadMs;
    if (this.#told === 0) this.log.info({ ms: Math.round(aheadMs) }, 'this machine’s clock is right again');
    else
      this.log.warn({ ms: Math.round(aheadMs) }, 'this machine’s clock differs from PostgreSQL’s, whose time is used');
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

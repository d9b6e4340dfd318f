import type { FollowExecutions } from '@batuta/contracts';
import type { Clock } from '../ports/ports.js';

/** Longest time for which one message can request events. */
const LONGEST_MS = 60_000;

/**
 * Executions whose events gateways request, in repeated messages. Events of other executions do not need to be
 * published.
 */
export class FollowedExecutions {
  readonly #clock: Pick<Clock, 'elapsed'>;
  readonly #most: number;
  /** Until when each is followed, in elapsed time, by id. Renewed ones move to the end. */
  readonly #until = new Map<string, number>();
  /** Until this time all executions count as followed, because there are too many to remember. */
  #allUntil = -Infinity;

  /** Remembers at most `most` executions. */
  constructor(clock: Pick<Clock, 'elapsed'>, most = 100_000) {
    this.#clock = clock;
    this.#most = most;
  }

  /** Handles a FollowExecutions message as JSON text. Throws when it is malformed. */
  heard(text: string): void {
    const { executionIds = [], forMs = 0 } = JSON.parse(text) as Partial<FollowExecutions>;
    const until = this.#clock.elapsed() + Math.min(forMs, LONGEST_MS);
    for (const id of executionIds) {
      const before = this.#until.get(id) ?? until;
      this.#until.delete(id);
      if (this.#until.size >= this.#most) this.#allUntil = Math.max(this.#allUntil, until);
      else this.#until.set(id, Math.max(before, until));
    }
  }

  has(id: string): boolean {
    const until = this.#until.get(id);
    if (until === undefined) return this.#allUntil > -Infinity && this.#allUntil > this.#clock.elapsed();
    return until > this.#clock.elapsed();
  }

  /** Forgets executions that were not requested again. */
  sweep(): void {
    const now = this.#clock.elapsed();
    for (const [id, until] of this.#until) {
      if (until > now) return;
      this.#until.delete(id);
    }
  }
}

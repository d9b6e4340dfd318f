/**
 * An attempt that has been lost with this many runners runs alone in the next one, so that it is known which attempt
 * ended that runner.
 */
export const ALONE_AT = 2;
/**
 * How many attempts are remembered. Other owners never report the end of their attempts, so the oldest entries are
 * dropped.
 */
const MOST = 50_000;

/** One pool of one run of a runner's process. Its reports on attempts count only for this pool, like its beats. */
export interface PoolRun {
  readonly pool: string;
  readonly incarnation: string;
}

/**
 * Which runs of runners ended while they ran an attempt. It counts ended processes and not deliveries, because a stall,
 * a lost message or a server's wrong count does not end a runner. A run that is heard again counts no more.
 */
export class LostRunners {
  /** Pools by run, for each attempt. */
  readonly #ended = new Map<string, Map<string, string>>();
  /** Attempts by the run that ended with them. */
  readonly #attempts = new Map<string, Set<string>>();

  /** How many runs of the pool ended while they ran it. */
  count(attemptKey: string, pool: string): number {
    let count = 0;
    for (const own of this.#ended.get(attemptKey)?.values() ?? []) if (own === pool) count += 1;
    return count;
  }

  ended(attemptKey: string, { pool, incarnation }: PoolRun): void {
    const runs = this.#ended.get(attemptKey) ?? new Map<string, string>();
    runs.set(incarnation, pool);
    this.#ended.set(attemptKey, runs);
    const attempts = this.#attempts.get(incarnation) ?? new Set();
    attempts.add(attemptKey);
    this.#attempts.set(incarnation, attempts);
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= MOST) break;
      this.over(oldest);
    }
  }

  /** The run is alive. Only its connection was gone. */
  lives(incarnation: string): void {
    const attempts = this.#attempts.get(incarnation);
    if (attempts === undefined) return;
    this.#attempts.delete(incarnation);
    for (const attemptKey of attempts) {
      const runs = this.#ended.get(attemptKey);
      runs?.delete(incarnation);
      if (runs?.size === 0) this.#ended.delete(attemptKey);
    }
  }

  /** The attempt has its outcome. */
  over(attemptKey: string): void {
    const runs = this.#ended.get(attemptKey);
    if (runs === undefined) return;
    this.#ended.delete(attemptKey);
    for (const incarnation of runs.keys()) {
      const attempts = this.#attempts.get(incarnation);
      attempts?.delete(attemptKey);
      if (attempts?.size === 0) this.#attempts.delete(incarnation);
    }
  }
}

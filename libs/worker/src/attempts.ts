import { SlotMap } from '@batuta/collections';
import type { Attempt } from './attempt.js';

/** Milliseconds for which an attempt is not listed in beats. Most attempts are over by then. */
const NEWEST_MS = 200;

/** The attempts that run in this process. */
export class Attempts {
  readonly #byKey = new SlotMap<string, Attempt>();
  readonly #byExecution = new SlotMap<string, Set<Attempt>>();

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): Attempt | undefined {
    return this.#byKey.get(key);
  }

  all(): Iterable<Attempt> {
    return this.#byKey.values();
  }

  of(executionId: string): Iterable<Attempt> {
    return this.#byExecution.get(executionId) ?? [];
  }

  add(key: string, attempt: Attempt): void {
    this.#byKey.set(key, attempt);
    const { executionId } = attempt.task;
    let siblings = this.#byExecution.get(executionId);
    if (siblings === undefined) {
      siblings = new Set();
      this.#byExecution.set(executionId, siblings);
    }
    siblings.add(attempt);
  }

  delete(key: string, attempt: Attempt): void {
    this.#byKey.delete(key);
    const { executionId } = attempt.task;
    const siblings = this.#byExecution.get(executionId);
    if (siblings === undefined) return;
    siblings.delete(attempt);
    if (siblings.size === 0) this.#byExecution.delete(executionId);
  }

  /** The keys of attempts that were started from the pool's work queue, without the newest. */
  begun(pool: string): string[] {
    const before = Date.now() - NEWEST_MS;
    const keys: string[] = [];
    for (const [key, { startedAt, deliveries }] of this.#byKey) {
      if (startedAt <= before && deliveries.some(({ subject }) => subject.split('.')[2] === pool)) keys.push(key);
    }
    return keys;
  }
}

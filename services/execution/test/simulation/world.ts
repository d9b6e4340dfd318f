import { TimeHeap } from '../../src/partitions/timers/time-heap.js';
import type { SeededRandom } from './random.js';

/** Epoch ms at which every simulation begins. */
export const BEGIN = 1_700_000_000_000;
/** More steps than any healthy seed needs: a loop that takes no time ends here instead of never. */
const MOST_STEPS = 400_000;

/** Something that must never happen has happened. */
export class Violation extends Error {
  override readonly name = 'Violation';

  constructor(
    readonly rule: string,
    message: string,
  ) {
    super(message);
  }
}

interface Task {
  readonly callback: () => void;
  cancelled: boolean;
}

/** Virtual time, what happens in it, and what went wrong. Everything in a simulation happens in one of its steps. */
export class World {
  readonly #traced: boolean;
  now = BEGIN;
  /** While true, messages are lost, commits fail, and processes die. */
  faults = true;
  steps = 0;
  readonly #queue = new TimeHeap<Task>();
  #order = 0;
  readonly #timeline: string[] = [];
  /** The first rule that was broken. */
  violation: Violation | undefined;

  constructor(
    readonly random: SeededRandom,
    traced: boolean,
  ) {
    this.#traced = traced;
  }

  get elapsed(): number {
    return this.now - BEGIN;
  }

  /** Calls back in `ms`; the result cancels it. Equal times keep their order by a fraction too small to be seen. */
  after(ms: number, callback: () => void): () => void {
    const task: Task = { callback, cancelled: false };
    this.#order += 1;
    this.#queue.push(this.elapsed + Math.max(0, Math.ceil(ms)) + this.#order * 1e-7, task);
    return () => {
      task.cancelled = true;
    };
  }

  /** Whether a fault of this probability happens now. */
  strikes(probability: number): boolean {
    return this.random.chance(probability) && this.faults;
  }

  note(who: string, what: () => string): void {
    if (!this.#traced) return;
    this.#timeline.push(`${(this.elapsed / 1000).toFixed(3).padStart(9)} s  ${who.padEnd(12)} ${what()}`);
  }

  get timeline(): readonly string[] {
    return this.#timeline;
  }

  violated(rule: string, message: string): void {
    this.note('CHECK', () => `VIOLATED ${rule}: ${message}`);
    this.violation ??= new Violation(rule, message);
  }

  /** Lets things happen until `until` (virtual ms since the beginning), or until `done`. False when nothing is left. */
  async run(until: number, done: () => boolean = () => false): Promise<boolean> {
    for (;;) {
      if (this.violation !== undefined) throw this.violation;
      if (done()) return true;
      const at = this.#queue.firstAt;
      if (at === undefined) return false;
      if (at > until + 1) {
        this.now = BEGIN + until;
        return true;
      }
      const task = this.#queue.popDue(at) as Task;
      if (task.cancelled) continue;
      this.now = Math.max(this.now, BEGIN + Math.floor(at));
      this.steps += 1;
      if (this.steps > MOST_STEPS) throw new Violation('no loop', `${MOST_STEPS} steps and no end`);
      task.callback();
      // One turn of the event loop runs every promise that can go on: nothing here waits for anything real.
      await new Promise(setImmediate);
    }
  }
}

/** Number of unused places at the front above which the rest is copied. */
const MOST_DEAD = 1_024;

/**
 * A first-in-first-out queue. An array's `shift` moves all later values, which is expensive with thousands of values.
 */
export class Fifo<T> {
  #values: (T | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#values.length - this.#head;
  }

  push(value: T): void {
    this.#values.push(value);
  }

  /** The oldest value. Undefined when the queue is empty. */
  peek(): T | undefined {
    return this.#values[this.#head];
  }

  /** Removes and returns the oldest value. Undefined when the queue is empty. */
  shift(): T | undefined {
    if (this.#head === this.#values.length) return undefined;
    const value = this.#values[this.#head];
    this.#values[this.#head] = undefined;
    this.#head += 1;
    if (this.#head === this.#values.length) {
      this.#values = [];
      this.#head = 0;
    } else if (this.#head > MOST_DEAD && this.#head * 2 > this.#values.length) {
      this.#values.splice(0, this.#head);
      this.#head = 0;
    }
    return value;
  }

  /** Starts with the oldest value. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (let place = this.#head; place < this.#values.length; place++) yield this.#values[place] as T;
  }
}

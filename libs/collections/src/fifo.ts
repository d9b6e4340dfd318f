/** Dead places at the front that are worth a copy of the rest. */
const MOST_DEAD = 1_024;

/** First in, first out. An array's `shift` moves all that is behind, which thousands of values pay for each time. */
export class Fifo<T> {
  #values: (T | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#values.length - this.#head;
  }

  push(value: T): void {
    this.#values.push(value);
  }

  /** The oldest; undefined when there is none. */
  peek(): T | undefined {
    return this.#values[this.#head];
  }

  /** Takes the oldest; undefined when there is none. */
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

  /** From the oldest. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (let place = this.#head; place < this.#values.length; place++) yield this.#values[place] as T;
  }
}

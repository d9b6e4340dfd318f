interface Timed<T> {
  readonly at: number;
  readonly item: T;
}

/** A binary heap of items by time, earliest first. */
export class TimeHeap<T> {
  readonly #entries: Timed<T>[] = [];

  get size(): number {
    return this.#entries.length;
  }

  get firstAt(): number | undefined {
    return this.#entries[0]?.at;
  }

  push(at: number, item: T): void {
    const entries = this.#entries;
    const entry = { at, item };
    let place = entries.length;
    entries.push(entry);
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = entries[above] as Timed<T>;
      if (parent.at <= at) break;
      entries[place] = parent;
      place = above;
    }
    entries[place] = entry;
  }

  /** Removes and returns the earliest item if its time is `now` or earlier. */
  popDue(now: number): T | undefined {
    const entries = this.#entries;
    const first = entries[0];
    if (first === undefined || first.at > now) return undefined;
    const last = entries.pop() as Timed<T>;
    if (entries.length > 0) {
      let place = 0;
      for (;;) {
        let child = 2 * place + 1;
        if (child >= entries.length) break;
        const right = entries[child + 1];
        if (right !== undefined && right.at < (entries[child] as Timed<T>).at) child += 1;
        const lower = entries[child] as Timed<T>;
        if (lower.at >= last.at) break;
        entries[place] = lower;
        place = child;
      }
      entries[place] = last;
    }
    return first.item;
  }
}

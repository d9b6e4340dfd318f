import type { ServedEvent } from './served-event.js';

/** The newest events of an execution, for late followers: without a gap, and with a limit of their bytes. */
export class RecentEvents {
  readonly #limit: number;
  #events: ServedEvent[] = [];
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Keeps the next event. The oldest ones make room for it. The newest one is always kept. */
  add(served: ServedEvent): void {
    this.#events.push(served);
    this.#bytes += served.bytes.length;
    let dropped = 0;
    while (this.#bytes > this.#limit && dropped < this.#events.length - 1) {
      this.#bytes -= this.#events[dropped]?.bytes.length ?? 0;
      dropped += 1;
    }
    if (dropped > 0) this.#events = this.#events.slice(dropped);
  }

  /** The events from a version on; undefined when some of them are not here. */
  from(version: number): readonly ServedEvent[] | undefined {
    const first = this.#events[0];
    if (first === undefined || version < first.version) return undefined;
    return this.#events.slice(version - first.version);
  }

  clear(): void {
    this.#events = [];
    this.#bytes = 0;
  }
}

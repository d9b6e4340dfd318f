import { Problem } from './problem.js';

interface Waiting {
  readonly bytes: number;
  readonly enter: () => void;
}

/**
 * Limits how many bytes of request bodies the gateway handles at a time. Until its request is answered, a body takes
 * several times its size (text, value, message), so many large ones at once would use up the memory. A request without
 * room waits unread. Tenants take turns, and the requests of one tenant keep their order.
 */
export class BodyRoom {
  readonly #limit: number;
  readonly #waitMs: number;
  readonly #waiting = new Map<string, Waiting[]>();
  #used = 0;

  /** `limit`: bytes at a time; a larger body is handled alone. `waitMs`: the longest wait for room, in milliseconds. */
  constructor(limit: number, waitMs: number) {
    this.#limit = limit;
    this.#waitMs = waitMs;
  }

  /** Bytes that are handled now. */
  get used(): number {
    return this.#used;
  }

  /** Requests that wait for room. */
  get waiting(): number {
    return [...this.#waiting.values()].reduce((sum, { length }) => sum + length, 0);
  }

  /**
   * Calls `enter` when there is room. Its argument gives the room back and must be called once. Calls `refuse` when the
   * longest wait is over. The returned function ends the wait of a client that has left.
   */
  ask(tenantId: string, bytes: number, enter: (leave: () => void) => void, refuse: (why: Problem) => void): () => void {
    const wait: { timer?: NodeJS.Timeout } = {};
    const asked: Waiting = {
      bytes,
      enter: () => {
        clearTimeout(wait.timer);
        this.#used += bytes;
        enter(() => {
          this.#used -= bytes;
          this.#admit();
        });
      },
    };
    if (this.#waiting.size === 0 && this.#fits(bytes)) {
      asked.enter();
      return () => undefined;
    }
    const queue = this.#waiting.get(tenantId);
    if (queue === undefined) this.#waiting.set(tenantId, [asked]);
    else queue.push(asked);
    const giveUp = (): void => {
      clearTimeout(wait.timer);
      this.#remove(tenantId, asked);
    };
    wait.timer = setTimeout(() => {
      giveUp();
      refuse(new Problem('unavailable', 'Too many large requests are being handled; try again.'));
    }, this.#waitMs);
    return giveUp;
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#limit;
  }

  #admit(): void {
    for (const [tenantId, queue] of this.#waiting) {
      const [first] = queue;
      if (first === undefined || !this.#fits(first.bytes)) return;
      queue.shift();
      // The tenant goes to the end of the queue. Iterating over a map includes entries that are added meanwhile.
      this.#waiting.delete(tenantId);
      if (queue.length > 0) this.#waiting.set(tenantId, queue);
      first.enter();
    }
  }

  #remove(tenantId: string, asked: Waiting): void {
    const queue = this.#waiting.get(tenantId);
    const place = queue?.indexOf(asked) ?? -1;
    if (queue === undefined || place < 0) return;
    queue.splice(place, 1);
    if (queue.length === 0) this.#waiting.delete(tenantId);
    this.#admit();
  }
}

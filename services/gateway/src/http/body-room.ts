import { Problem } from './problem.js';

interface Waiting {
  readonly bytes: number;
  readonly enter: () => void;
}

/**
 * Limits how many bytes of request bodies the gateway handles at a time. Until its request is answered, a body takes
 * several times its size (text, value, message), so many large ones at once would use up the memory. A request without
 * room waits unread. Tenants take turns, and the requests of one tenant keep their order. No tenant gets the whole room:
 * what its bodies become is work that the requests of all tenants wait behind, also those without a large body.
 */
export class BodyRoom {
  readonly #limit: number;
  readonly #share: number;
  readonly #waitMs: number;
  readonly #waiting = new Map<string, Waiting[]>();
  readonly #usedBy = new Map<string, number>();
  #used = 0;

  /**
   * `limit`: bytes at a time; a larger body is handled alone. `waitMs`: the longest wait for room, in milliseconds.
   * `share`: bytes of one tenant at a time; a larger body is its only one.
   */
  constructor(limit: number, waitMs: number, share = limit) {
    this.#limit = limit;
    this.#share = share;
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
        this.#count(tenantId, bytes);
        enter(() => {
          this.#count(tenantId, -bytes);
          this.#admit();
        });
      },
    };
    if (!this.#isWaiting(tenantId) && this.#fits(bytes) && this.#fitsShare(tenantId, bytes)) {
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

  #fitsShare(tenantId: string, bytes: number): boolean {
    const used = this.#usedBy.get(tenantId) ?? 0;
    return used === 0 || used + bytes <= this.#share;
  }

  /** Whether a new request has to wait behind others: those of its tenant, or one that only needs room. */
  #isWaiting(tenantId: string): boolean {
    if (this.#waiting.has(tenantId)) return true;
    return [...this.#waiting].some(([id, [first]]) => first !== undefined && this.#fitsShare(id, first.bytes));
  }

  #count(tenantId: string, bytes: number): void {
    this.#used += bytes;
    const used = (this.#usedBy.get(tenantId) ?? 0) + bytes;
    if (used > 0) this.#usedBy.set(tenantId, used);
    else this.#usedBy.delete(tenantId);
  }

  #admit(): void {
    for (const [tenantId, queue] of this.#waiting) {
      const [first] = queue;
      if (first === undefined || !this.#fitsShare(tenantId, first.bytes)) continue;
      if (!this.#fits(first.bytes)) return;
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

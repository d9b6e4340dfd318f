import { Problem } from './problem.js';

interface Waiting {
  readonly bytes: number;
  readonly enter: () => void;
}

/**
 * How many bytes of requests' bodies the gateway handles at a time. A body costs several times its size until its request is answered
 * (text, value, message), so many large ones at once would take all memory. Whoever finds no room waits unread: tenants in turn, the
 * requests of one in the order of coming.
 */
export class BodyRoom {
  readonly #waiting = new Map<string, Waiting[]>();
  #used = 0;

  /** `limit`: bytes at a time; a larger body goes alone. `waitMs`: milliseconds to wait for room. */
  constructor(
    private readonly limit: number,
    private readonly waitMs: number,
  ) {}

  /** Bytes handled now. */
  get used(): number {
    return this.#used;
  }

  /** Requests that wait for room. */
  get waiting(): number {
    return [...this.#waiting.values()].reduce((sum, { length }) => sum + length, 0);
  }

  /**
   * Calls `enter` once there is room, with what gives the room back, to be called once; or `refuse` when the time to wait is over.
   * The function it returns ends the wait of a client that has left.
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
    }, this.waitMs);
    return giveUp;
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.limit;
  }

  #admit(): void {
    for (const [tenantId, queue] of this.#waiting) {
      const [first] = queue;
      if (first === undefined || !this.#fits(first.bytes)) return;
      queue.shift();
      // Behind the others: the tenant's next request waits for their turns. A map is walked on to what is added meanwhile.
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

import { BoundedCache } from './bounded-cache.js';

interface Waiting<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

interface Line<T> {
  waiting: Waiting<T>[];
}

/** An answer, and until when (`performance.now()`) it may be reused. Undefined when it may not. */
export interface Leased<T> {
  readonly value: T;
  readonly until: number | undefined;
}

/**
 * Joins lookups of the same key without returning outdated answers: a lookup serves only callers that came before it
 * was sent. One lookup of a key runs at a time, and callers that come meanwhile share the next one. While an answer is
 * leased, its source guarantees that it is current.
 */
export class StrictLookup<T> {
  readonly #look: (key: string) => Promise<Leased<T>>;
  readonly #lines = new Map<string, Line<T>>();
  readonly #leases: BoundedCache<string, { readonly value: T; readonly until: number }>;

  /** Keeps the leases of at most `capacity` keys. */
  constructor(look: (key: string) => Promise<Leased<T>>, capacity: number) {
    this.#look = look;
    this.#leases = new BoundedCache(capacity);
  }

  get(key: string): Promise<T> {
    const held = this.#held(key);
    if (held !== undefined) return Promise.resolve(held);
    return new Promise<T>((resolve, reject) => {
      const line = this.#lines.get(key);
      if (line !== undefined) {
        line.waiting.push({ resolve, reject });
        return;
      }
      const fresh: Line<T> = { waiting: [] };
      this.#lines.set(key, fresh);
      void this.#run(key, fresh, [{ resolve, reject }]);
    });
  }

  async #run(key: string, line: Line<T>, first: Waiting<T>[]): Promise<void> {
    for (let served = first; served.length > 0; served = line.waiting.splice(0)) {
      try {
        const value = this.#held(key) ?? (await this.#ask(key));
        for (const { resolve } of served) resolve(value);
      } catch (error) {
        for (const { reject } of served) reject(error);
      }
    }
    this.#lines.delete(key);
  }

  #held(key: string): T | undefined {
    const lease = this.#leases.get(key);
    return lease !== undefined && performance.now() < lease.until ? lease.value : undefined;
  }

  async #ask(key: string): Promise<T> {
    const { value, until } = await this.#look(key);
    if (until !== undefined) this.#leases.set(key, { value, until });
    return value;
  }
}

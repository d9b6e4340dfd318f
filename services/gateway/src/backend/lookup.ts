interface Waiting<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

interface Line<T> {
  waiting: Waiting<T>[];
}

/**
 * Joins lookups of the same key without making anyone see the past: a lookup serves only callers that came before it was
 * sent. One lookup a key is under way at a time; those who come meanwhile share the next one.
 */
export class StrictLookup<T> {
  readonly #lines = new Map<string, Line<T>>();

  constructor(private readonly look: (key: string) => Promise<T>) {}

  get(key: string): Promise<T> {
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
        const value = await this.look(key);
        for (const { resolve } of served) resolve(value);
      } catch (error) {
        for (const { reject } of served) reject(error);
      }
    }
    this.#lines.delete(key);
  }
}

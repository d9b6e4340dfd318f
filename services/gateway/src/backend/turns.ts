/** Work of many at a time, of which each tenant has at most `most` going on; the rest waits in its order. */
export class Turns {
  readonly #most: number;
  readonly #tenants = new Map<string, { going: number; readonly waiting: (() => void)[] }>();

  constructor(most: number) {
    this.#most = most;
  }

  async take<T>(tenantId: string, work: () => Promise<T>): Promise<T> {
    let own = this.#tenants.get(tenantId);
    if (own === undefined) this.#tenants.set(tenantId, (own = { going: 0, waiting: [] }));
    // Whoever ends hands its turn on, so that nobody comes between.
    if (own.going < this.#most) own.going += 1;
    else await new Promise<void>((resolve) => void own.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = own.waiting.shift();
      if (next !== undefined) next();
      else if ((own.going -= 1) === 0) this.#tenants.delete(tenantId);
    }
  }
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Commits items in groups: while one commit is in flight the next items queue up, and the commit after takes them all, so
 * that the cost of a commit is shared when there is much to do and nobody waits when there is little. What fails together is
 * tried one by one, so that one bad item fails alone.
 */
export class GroupCommit<Item, Result> {
  #waiting: Waiting<Item, Result>[] = [];
  #committing = false;

  /** `commit` gives one result for each item, in their order. */
  constructor(
    private readonly commit: (items: readonly Item[]) => Promise<readonly Result[]>,
    private readonly maxItems = 200,
  ) {}

  /** Resolves when the item is committed. Whoever calls bounds how many wait. */
  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (!this.#committing) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#committing = true;
    while (this.#waiting.length > 0) {
      const group = this.#waiting.slice(0, this.maxItems);
      this.#waiting = this.#waiting.slice(this.maxItems);
      if (group.length === 1 || !(await this.#together(group))) for (const one of group) await this.#alone(one);
    }
    this.#committing = false;
  }

  async #together(group: readonly Waiting<Item, Result>[]): Promise<boolean> {
    let results: readonly Result[];
    try {
      results = await this.commit(group.map(({ item }) => item));
    } catch {
      // Each alone says what is wrong with it.
      return false;
    }
    for (const [index, { resolve }] of group.entries()) resolve(results[index] as Result);
    return true;
  }

  async #alone({ item, resolve, reject }: Waiting<Item, Result>): Promise<void> {
    try {
      const [result] = await this.commit([item]);
      resolve(result as Result);
    } catch (error) {
      reject(error);
    }
  }
}

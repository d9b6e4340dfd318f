interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Commits items in groups. While one commit is in flight, further items queue up, and the next commit takes all of
 * them. So the cost of a commit is shared under load, and an item does not wait when there is little load. When a group
 * fails, its items are tried one by one, so one bad item fails alone.
 */
export class GroupCommit<Item, Result> {
  readonly #commit: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly #maxItems: number;
  #waiting: Waiting<Item, Result>[] = [];
  #committing = false;

  /** `commit` returns one result for each item, in their order. */
  constructor(commit: (items: readonly Item[]) => Promise<readonly Result[]>, maxItems = 200) {
    this.#commit = commit;
    this.#maxItems = maxItems;
  }

  /** Resolves when the item is committed. The caller must limit how many wait. */
  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (!this.#committing) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#committing = true;
    while (this.#waiting.length > 0) {
      const group = this.#waiting.slice(0, this.#maxItems);
      this.#waiting = this.#waiting.slice(this.#maxItems);
      if (group.length === 1 || !(await this.#together(group))) for (const one of group) await this.#alone(one);
    }
    this.#committing = false;
  }

  async #together(group: readonly Waiting<Item, Result>[]): Promise<boolean> {
    let results: readonly Result[];
    try {
      results = await this.#commit(group.map(({ item }) => item));
    } catch {
      // Then each item is tried alone and reports its own error.
      return false;
    }
    for (const [index, { resolve }] of group.entries()) resolve(results[index] as Result);
    return true;
  }

  async #alone({ item, resolve, reject }: Waiting<Item, Result>): Promise<void> {
    try {
      const [result] = await this.#commit([item]);
      resolve(result as Result);
    } catch (error) {
      reject(error);
    }
  }
}

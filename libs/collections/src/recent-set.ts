/** Remembers texts that were added lately: at least the last `most` of them, and at most twice as many. */
export class RecentSet {
  readonly #most: number;
  #new = new Set<string>();
  #old = new Set<string>();

  constructor(most: number) {
    this.#most = most;
  }

  has(text: string): boolean {
    return this.#new.has(text) || this.#old.has(text);
  }

  add(text: string): void {
    if (this.#new.has(text)) return;
    if (this.#new.size >= this.#most) {
      this.#old = this.#new;
      this.#new = new Set();
    }
    this.#new.add(text);
  }
}

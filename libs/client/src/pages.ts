import { Answer } from './answer.js';
import type { FullAnswer } from './answer.js';

interface Page {
  readonly next_cursor: string | null;
}

/**
 * A list. `await` gives its first page. `for await` gives every item of every page, and requests each page when it is
 * needed.
 */
export class Pages<P extends Page, I> extends Answer<P> implements AsyncIterable<I> {
  readonly #first: Promise<FullAnswer<P>>;
  readonly #next: (cursor: string) => Promise<FullAnswer<P>>;
  readonly #items: (page: P) => readonly I[];

  constructor(
    first: Promise<FullAnswer<P>>,
    next: (cursor: string) => Promise<FullAnswer<P>>,
    items: (page: P) => readonly I[],
  ) {
    super(first);
    this.#first = first;
    this.#next = next;
    this.#items = items;
  }

  async *pages(): AsyncGenerator<P, void, undefined> {
    let { data } = await this.#first;
    for (;;) {
      yield data;
      if (data.next_cursor === null) return;
      ({ data } = await this.#next(data.next_cursor));
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<I, void, undefined> {
    for await (const page of this.pages()) yield* this.#items(page);
  }

  /** Every item of every page. Use it only for short lists. */
  async all(): Promise<I[]> {
    const items: I[] = [];
    for await (const item of this) items.push(item);
    return items;
  }
}

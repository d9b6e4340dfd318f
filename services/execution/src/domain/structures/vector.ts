const BITS = 5;
const WIDTH = 1 << BITS;
const MASK = WIDTH - 1;

type Node = readonly unknown[];

/**
 * A persistent array of fixed length. `set` shares all but one path with the original vector, so older states stay
 * valid and a change costs O(log32 n). Bitmapped vector trie (Bagwell, Rompf 2011), without tail and growth.
 */
export class Vector<T> {
  readonly #shift: number;
  readonly #root: Node;

  private constructor(
    readonly length: number,
    shift: number,
    root: Node,
  ) {
    this.#shift = shift;
    this.#root = root;
  }

  static from<T>(items: readonly T[]): Vector<T> {
    let level: Node[] = [];
    for (let start = 0; start < items.length || start === 0; start += WIDTH) {
      level.push(items.slice(start, start + WIDTH));
    }
    let shift = 0;
    while (level.length > 1) {
      const above: Node[] = [];
      for (let start = 0; start < level.length; start += WIDTH) {
        above.push(level.slice(start, start + WIDTH));
      }
      level = above;
      shift += BITS;
    }
    return new Vector<T>(items.length, shift, level[0] ?? []);
  }

  get(index: number): T | undefined {
    if (index < 0 || index >= this.length) {
      return undefined;
    }
    let node = this.#root;
    for (let shift = this.#shift; shift > 0; shift -= BITS) {
      const child = node[(index >>> shift) & MASK];
      if (child === undefined) {
        return undefined;
      }
      node = child as Node;
    }
    return node[index & MASK] as T | undefined;
  }

  /** The same vector with one item replaced. Returns itself when `index` is outside. */
  set(index: number, item: T): Vector<T> {
    if (index < 0 || index >= this.length) {
      return this;
    }
    return new Vector<T>(this.length, this.#shift, replaced(this.#root, this.#shift, index, item));
  }

  toArray(): T[] {
    const items: T[] = [];
    collect(this.#root, this.#shift, items as unknown[]);
    return items;
  }
}

function replaced(node: Node, shift: number, index: number, item: unknown): Node {
  const copy = node.slice();
  const at = (index >>> shift) & MASK;
  copy[at] = shift === 0 ? item : replaced(copy[at] as Node, shift - BITS, index, item);
  return copy;
}

function collect(node: Node, shift: number, items: unknown[]): void {
  for (const child of node) {
    if (shift === 0) {
      items.push(child);
    } else {
      collect(child as Node, shift - BITS, items);
    }
  }
}

/**
 * A Map for many short-lived values. Its values are kept beside the hash table, in slots that are used again.
 *
 * V8's Map makes a new hash table now and then while entries come and go, and each table that was replaced points to its
 * successor (`OrderedHashTable::Rehash` in https://github.com/v8/v8/blob/main/src/objects/ordered-hash-table.cc). Once one
 * of them is in the old generation, all later ones are kept alive until the next full collection, and with them whatever
 * was in the map at the time: nearly everything survives the collections of the young generation, is copied and promoted.
 * Here the tables that were replaced hold keys and numbers only.
 */
export class SlotMap<K extends string | number, V extends object | null> {
  readonly #slots = new Map<K, number>();
  readonly #values: (V | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#slots.size;
  }

  has(key: K): boolean {
    return this.#slots.has(key);
  }

  get(key: K): V | undefined {
    const slot = this.#slots.get(key);
    return slot === undefined ? undefined : this.#values[slot];
  }

  set(key: K, value: V): this {
    const slot = this.#slots.get(key) ?? this.#newSlot(key);
    this.#values[slot] = value;
    return this;
  }

  /** Whether the key was there. */
  delete(key: K): boolean {
    return this.take(key) !== undefined;
  }

  /** Deletes the key; its value, or undefined when it was not there. */
  take(key: K): V | undefined {
    const slot = this.#slots.get(key);
    if (slot === undefined) return undefined;
    const value = this.#values[slot];
    this.#slots.delete(key);
    this.#values[slot] = undefined;
    this.#free.push(slot);
    return value;
  }

  clear(): void {
    this.#slots.clear();
    this.#values.length = 0;
    this.#free.length = 0;
  }

  /** In the order of their keys' first setting; entries may be deleted meanwhile. */
  keys(): IterableIterator<K> {
    return this.#slots.keys();
  }

  *values(): IterableIterator<V> {
    for (const [, value] of this) yield value;
  }

  *[Symbol.iterator](): IterableIterator<[K, V]> {
    for (const [key, slot] of this.#slots) {
      const value = this.#values[slot];
      if (value !== undefined) yield [key, value];
    }
  }

  #newSlot(key: K): number {
    const slot = this.#free.pop() ?? this.#values.length;
    this.#slots.set(key, slot);
    return slot;
  }
}

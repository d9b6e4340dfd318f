/**
 * A Map for many short-lived values. Its values are kept outside of the hash table, in slots that are reused.
 *
 * While entries come and go, V8's Map sometimes creates a new hash table, and each replaced table points to its
 * successor (`OrderedHashTable::Rehash` in https://github.com/v8/v8/blob/main/src/objects/ordered-hash-table.cc). Once
 * one of them is in the old generation, all later ones are kept alive until the next full collection, with all values
 * that were in the map at that time. So nearly everything survives the collections of the young generation, is copied
 * and promoted. Here the replaced tables contain only keys and numbers.
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

  /** Returns whether the key was present. */
  delete(key: K): boolean {
    return this.take(key) !== undefined;
  }

  /** Deletes the key. Returns its value, or undefined when it was not present. */
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

  /** In the order in which the keys were first set. Entries may be deleted during the iteration. */
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

/**
 * A persistent min-heap of small integers by key (leftist tree: Crane 1972; Okasaki, Purely Functional Data Structures,
 * 3.1). `undefined` is the empty heap. Insert, merge and pop cost O(log n) and do not change existing heaps.
 */
export interface Heap {
  readonly key: number;
  readonly item: number;
  /** Distinguishes entries of one item, for example by the attempt that a timer belongs to. */
  readonly tag: number;
  readonly rank: number;
  readonly left: Heap | undefined;
  readonly right: Heap | undefined;
}

function before(a: Heap, b: Heap): boolean {
  return a.key < b.key || (a.key === b.key && a.item <= b.item);
}

export function heapMerge(a: Heap | undefined, b: Heap | undefined): Heap | undefined {
  if (a === undefined) {
    return b;
  }
  if (b === undefined) {
    return a;
  }
  const [top, other] = before(a, b) ? [a, b] : [b, a];
  const merged = heapMerge(top.right, other);
  const leftRank = top.left?.rank ?? 0;
  const mergedRank = merged?.rank ?? 0;
  return leftRank >= mergedRank
    ? { key: top.key, item: top.item, tag: top.tag, rank: mergedRank + 1, left: top.left, right: merged }
    : { key: top.key, item: top.item, tag: top.tag, rank: leftRank + 1, left: merged, right: top.left };
}

export function heapInsert(heap: Heap | undefined, key: number, item: number, tag: number): Heap | undefined {
  return heapMerge(heap, { key, item, tag, rank: 1, left: undefined, right: undefined });
}

export function heapPop(heap: Heap): Heap | undefined {
  return heapMerge(heap.left, heap.right);
}

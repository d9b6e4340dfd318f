import type { List } from '../state/state.js';

/**
 * A persistent queue of two lists (Okasaki, Purely Functional Data Structures, 5.2). Push and shift cost O(1) on
 * average, and do not change existing queues.
 */
export interface Queue<T> {
  readonly front: List<T> | undefined;
  /** Newest first. */
  readonly back: List<T> | undefined;
  readonly size: number;
}

export const EMPTY_QUEUE: Queue<never> = { front: undefined, back: undefined, size: 0 };

function balanced<T>(front: List<T> | undefined, back: List<T> | undefined, size: number): Queue<T> {
  if (front !== undefined || back === undefined) return { front, back, size };
  let turned: List<T> | undefined;
  for (let cell: List<T> | undefined = back; cell !== undefined; cell = cell.tail) {
    turned = { head: cell.head, tail: turned };
  }
  return { front: turned, back: undefined, size };
}

export function queuePush<T>({ front, back, size }: Queue<T>, item: T): Queue<T> {
  return balanced(front, { head: item, tail: back }, size + 1);
}

/** The queue without its first item. */
export function queueShift<T>({ front, back, size }: Queue<T>): Queue<T> {
  return front === undefined ? (EMPTY_QUEUE as Queue<T>) : balanced(front.tail, back, size - 1);
}

export function* queueItems<T>({ front, back }: Queue<T>): Generator<T, void> {
  for (let cell = front; cell !== undefined; cell = cell.tail) yield cell.head;
  if (back !== undefined) yield* queueItems(balanced<T>(undefined, back, 0));
}

export function queueOf<T>(items: Iterable<T>): Queue<T> {
  let queue = EMPTY_QUEUE as Queue<T>;
  for (const item of items) queue = queuePush(queue, item);
  return queue;
}

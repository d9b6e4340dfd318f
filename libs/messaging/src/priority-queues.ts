import { PRIORITIES } from '@batuta/contracts';
import type { Priority } from '@batuta/contracts';
import type { QueuedDelivery } from './pool-delivery.js';

interface Pull {
  remaining: number;
  /** The time by `performance.now()` after which the server has forgotten the pull. */
  readonly deadline: number;
}

export interface PriorityQueue {
  readonly priority: Priority;
  readonly weight: number;
  /**
   * Credit in the smooth weighted round robin (from nginx:
   * https://github.com/phusion/nginx/commit/27e94984486058d73157038f7950a0a36ecc6e35).
   */
  credit: number;
  /** The open pulls, oldest first. Which pull a message belongs to is a guess, and the guess ends with the pull. */
  readonly pulls: Map<string, Pull>;
  outstanding: number;
  /** More tasks wait at the server than were requested. */
  backlog: boolean;
  readonly waiting: QueuedDelivery[];
  lastSeen: number;
  lastTask: number;
  lastLook: number;
  /**
   * The consumer's delivery count when tasks were first seen to wait although a pull was open. Undefined while nothing
   * is wrong.
   */
  suspect: number | undefined;
  remade: number;
  /** Highest stream sequence that is known to have been delivered. A message at or below it is a repeated delivery. */
  delivered: number;
  /** When the server created the consumer; undefined until its state was read. */
  created: string | undefined;
  /** Number of times that a new consumer was found, as happens when its stream was lost and recreated. */
  generation: number;
}

const DEFAULT_WEIGHTS: Readonly<Record<Priority, number>> = { high: 6, normal: 3, low: 1 };

export function newQueues(weights = DEFAULT_WEIGHTS): readonly PriorityQueue[] {
  return PRIORITIES.map((priority) => ({
    priority,
    weight: weights[priority],
    credit: 0,
    pulls: new Map(),
    outstanding: 0,
    backlog: false,
    waiting: [],
    lastSeen: 0,
    lastTask: 0,
    lastLook: 0,
    suspect: undefined,
    remade: -Infinity,
    delivered: 0,
    created: undefined,
    generation: 0,
  }));
}

export function hasWaiting(queue: PriorityQueue): boolean {
  return queue.waiting.length > 0;
}

export function hasBacklog(queue: PriorityQueue): boolean {
  return queue.backlog;
}

/** Picks a queue that qualifies, by smooth weighted round robin. */
export function pickByWeight(
  queues: readonly PriorityQueue[],
  qualifies: (queue: PriorityQueue) => boolean,
): PriorityQueue | undefined {
  let best: PriorityQueue | undefined;
  let total = 0;
  for (const queue of queues) {
    if (!qualifies(queue)) continue;
    queue.credit += queue.weight;
    total += queue.weight;
    if (best === undefined || queue.credit > best.credit) best = queue;
  }
  if (best !== undefined) best.credit -= total;
  return best;
}

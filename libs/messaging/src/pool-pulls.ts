import { STEPS_STREAM, subjects } from '@batuta/contracts';
import type { NatsConnection } from '@nats-io/nats-core';
import type { PoolRecovery } from './pool-recovery.js';
import { hasBacklog, pickByWeight } from './priority-queues.js';
import type { PriorityQueue } from './priority-queues.js';

const HEARTBEAT_MS = 1_000;
const LARGEST_PULL = 512;

/** The requests for tasks that are open at the server, of all priorities of one pool. */
export class PoolPulls {
  readonly #nc: NatsConnection;
  readonly #pool: string;
  readonly #queues: readonly PriorityQueue[];
  readonly #inbox: string;
  readonly #expiresMs: number;
  readonly #heartbeatMs: number;
  #last = 0;

  /** Tasks and statuses come to `<inbox>.<priority>.<pull>`. */
  constructor(nc: NatsConnection, pool: string, queues: readonly PriorityQueue[], inbox: string, expiresMs: number) {
    this.#nc = nc;
    this.#pool = pool;
    this.#queues = queues;
    this.#inbox = inbox;
    this.#expiresMs = expiresMs;
    this.#heartbeatMs = Math.min(HEARTBEAT_MS, Math.floor(expiresMs / 2));
  }

  /**
   * Requests tasks for so many free slots. A priority with a backlog at the server gets its share by weight. A priority
   * without one keeps a pull open. That pull may bring more tasks than there are slots.
   */
  fill(free: number): void {
    let toShare = free;
    let backlogs = 0;
    for (const queue of this.#queues) {
      if (queue.backlog) {
        backlogs += 1;
        toShare -= queue.outstanding;
      } else if (queue.outstanding * 2 <= free) {
        this.#request(queue, free - queue.outstanding);
      }
    }
    if (backlogs === 0) return;
    const shares = new Map<PriorityQueue, number>();
    for (; toShare > 0; toShare--) {
      const queue = pickByWeight(this.#queues, hasBacklog);
      if (queue === undefined) break;
      shares.set(queue, (shares.get(queue) ?? 0) + 1);
    }
    for (const [queue, batch] of shares) this.#request(queue, batch);
  }

  /** A task of the queue has come. */
  delivered(queue: PriorityQueue): void {
    for (const [id, pull] of queue.pulls) {
      queue.outstanding -= 1;
      pull.remaining -= 1;
      if (pull.remaining === 0) queue.pulls.delete(id);
      break;
    }
  }

  /** The server has ended the pull. */
  ended(queue: PriorityQueue, id: string): void {
    const pull = queue.pulls.get(id);
    if (pull === undefined) return;
    queue.pulls.delete(id);
    queue.outstanding -= pull.remaining;
  }

  /** Forgets expired pulls, and lets the recovery look at queues from which nothing comes. Returns false when it recovers. */
  check(now: number, recovery: PoolRecovery): boolean {
    for (const queue of this.#queues) {
      for (const [id, pull] of queue.pulls) {
        if (pull.deadline > now) break;
        queue.pulls.delete(id);
        queue.outstanding -= pull.remaining;
      }
      if (queue.outstanding > 0 && now - queue.lastSeen > this.#heartbeatMs * 2 + 500) {
        recovery.recover(`no sign of life from ${subjects.stepConsumer(this.#pool, queue.priority)}`);
        return false;
      }
      if (queue.outstanding > 0 && now - Math.max(queue.lastTask, queue.lastLook) > this.#expiresMs) {
        queue.lastLook = now;
        void recovery.lookForStranded(queue);
      }
    }
    return true;
  }

  #request(queue: PriorityQueue, wanted: number): void {
    const batch = Math.min(wanted, LARGEST_PULL);
    const id = String((this.#last += 1));
    const now = performance.now();
    queue.pulls.set(id, { remaining: batch, deadline: now + this.#expiresMs + 1_000 });
    queue.outstanding += batch;
    queue.lastSeen = now;
    this.#nc.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${STEPS_STREAM}.${subjects.stepConsumer(this.#pool, queue.priority)}`,
      `{"batch":${batch},"expires":${this.#expiresMs * 1e6},"idle_heartbeat":${this.#heartbeatMs * 1e6}}`,
      { reply: `${this.#inbox}.${queue.priority}.${id}` },
    );
  }
}

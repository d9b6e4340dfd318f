import { SlotMap } from '@batuta/collections';
import type { Share } from './pool-queue.js';
import type { OutgoingTask, PublishOutcome } from '../ports/ports.js';

/** A task that was sent to a runner or is held by one. */
export interface Sent {
  readonly task: OutgoingTask;
  readonly share: Share;
  /** Whether its result is still missing. */
  running: boolean;
  /** Undefined after the runner confirmed the task, or after its result was answered. */
  done: ((outcome: PublishOutcome) => void) | undefined;
}

/** One runner's part of a pool. */
export interface RunnerPool {
  /** How many tasks of this owner it may run. */
  limit: number;
  /** Whether it takes direct tasks, even if it has no free slot now. */
  open: boolean;
  /** 0 while it is silent. */
  slots: number;
  /** Tasks sent by this owner whose result is missing, and tasks whose result is not answered. */
  running: number;
  sent: number;
  /** Tasks to send in this turn of the event loop. */
  readonly batch: Sent[];
}

/**
 * Whether a runner is believed to live.
 *
 * - heard: its beats come, or it answered when it was asked because it was silent.
 * - asked: it is silent, and was asked for a sign of life.
 * - suspected: a new runner has appeared since its last beat, so it was asked, and has not answered yet.
 * - cleared: it answered that suspicion. Before its next beat, no other new runner makes it suspected again.
 */
type RunnerLife = 'heard' | 'asked' | 'suspected' | 'cleared';

export interface Runner {
  readonly id: string;
  readonly incarnation: string;
  /** The pool that it serves. Each pool of a process has its own beats. */
  readonly pool: string;
  /** Elapsed time of its last sign of life. */
  seen: number;
  expiresMs: number;
  readonly pools: Map<string, RunnerPool>;
  /** The tasks that it reported to hold, from any sender, without those answered since. */
  held: Set<string>;
  /**
   * The tasks that it has begun from the work queue, or after a check, each with the elapsed time of the latest report.
   */
  readonly begun: Map<string, number>;
  readonly sent: SlotMap<string, Sent>;
  life: RunnerLife;
}

/**
 * Results may wait for their commits while other tasks run, so a runner may hold more tasks than it has slots, at most
 * twice its slots.
 */
const HELD_SHARE = 1.5;

/** The runners that are heard, the room that they have, and the tasks that this owner sent them. */
export class RunnerTable {
  readonly #ended: (sent: Sent) => void;
  readonly #runners = new Map<string, Runner>();
  /** The runner of each attempt that this owner sent and whose result is not answered. */
  readonly #holders = new Map<string, Runner>();

  /** `ended`: called when a task leaves its slot. */

  constructor(ended: (sent: Sent) => void) {
    this.#ended = ended;
  }

  get size(): number {
    return this.#runners.size;
  }

  get all(): Iterable<Runner> {
    return this.#runners.values();
  }

  get(incarnation: string): Runner | undefined {
    return this.#runners.get(incarnation);
  }

  /** Whether this runner was not lost since. */
  has(runner: Runner): boolean {
    return this.#runners.get(runner.incarnation) === runner;
  }

  add(runner: Runner): void {
    this.#runners.set(runner.incarnation, runner);
  }

  /** Removes a lost runner. Returns the tasks that it had of this owner, whose slots are free. */
  remove(runner: Runner): [string, Sent][] {
    this.#runners.delete(runner.incarnation);
    for (const { batch } of runner.pools.values()) batch.length = 0;
    const had: [string, Sent][] = [];
    for (const [key, sent] of runner.sent) {
      this.#holders.delete(key);
      this.stop(runner, sent);
      had.push([key, sent]);
    }
    runner.sent.clear();
    return had;
  }

  clear(): void {
    this.#runners.clear();
    this.#holders.clear();
  }

  holderOf(attemptKey: string): Runner | undefined {
    return this.#holders.get(attemptKey);
  }

  /** Whether a live runner holds the attempt. With `pool`: a runner of that pool. */
  holds(attemptKey: string, pool?: string): boolean {
    if (this.#holders.has(attemptKey)) return true;
    for (const runner of this.#runners.values()) {
      if ((pool === undefined || runner.pools.has(pool)) && runner.held.has(attemptKey)) return true;
    }
    return false;
  }

  /** The result of an attempt was answered that this owner did not send: a runner's last beat may still name it. */
  forget(attemptKey: string): void {
    for (const { held, begun } of this.#runners.values()) {
      held.delete(attemptKey);
      begun.delete(attemptKey);
    }
  }

  /** The runner gets the task. */
  put(runner: Runner, sent: Sent): void {
    const { task } = sent;
    const pool = runner.pools.get(task.pool);
    if (pool !== undefined) {
      pool.batch.push(sent);
      pool.sent += 1;
      pool.running += 1;
    }
    runner.sent.set(task.attemptKey, sent);
    this.#holders.set(task.attemptKey, runner);
  }

  /** The runner does not have the task any more. */
  take(runner: Runner, attemptKey: string): Sent | undefined {
    const sent = runner.sent.take(attemptKey);
    if (sent === undefined) return undefined;
    this.#holders.delete(attemptKey);
    const pool = runner.pools.get(sent.task.pool);
    if (pool !== undefined) pool.sent -= 1;
    this.stop(runner, sent);
    return sent;
  }

  /** The task's slot is free. */
  stop(runner: Runner, sent: Sent): void {
    if (!sent.running) return;
    sent.running = false;
    this.#ended(sent);
    const pool = runner.pools.get(sent.task.pool);
    if (pool !== undefined) pool.running -= 1;
  }

  /** Whether a runner takes tasks of the pool, even if all its slots are taken now. */
  isOpen(pool: string): boolean {
    for (const { pools } of this.#runners.values()) if (pools.get(pool)?.open === true) return true;
    return false;
  }

  /** Slots of all live runners of the pool. */
  slots(pool: string): number {
    let slots = 0;
    for (const { pools } of this.#runners.values()) slots += pools.get(pool)?.slots ?? 0;
    return slots;
  }

  room(pool: string): number {
    let room = 0;
    for (const { pools } of this.#runners.values()) {
      const own = pools.get(pool);
      if (own !== undefined) room += Math.max(0, roomOf(own));
    }
    return room;
  }

  /** The runner with the most free slots, or undefined. */
  withRoom(pool: string): Runner | undefined {
    let best: Runner | undefined;
    let most = 0;
    for (const runner of this.#runners.values()) {
      const own = runner.pools.get(pool);
      if (own === undefined) continue;
      const room = roomOf(own);
      if (room <= most) continue;
      most = room;
      best = runner;
    }
    return best;
  }
}

const roomOf = ({ limit, running, sent }: RunnerPool): number => Math.min(limit - running, limit * HELD_SHARE - sent);

/** Tells who dispatched the task what became of it, once. */
export function settleSent(sent: Sent, outcome: PublishOutcome): void {
  const { done } = sent;
  sent.done = undefined;
  done?.(outcome);
}

import type { EngineCounters } from '../ports/counters.js';
import type { Clock, OutgoingTask, PublishOutcome } from '../ports/ports.js';
import type { PoolQueue, Share } from './pool-queue.js';
import type { Pools } from './pools.js';
import type { QueueRoom } from './queue-room.js';
import { QueuedTasks } from './queued-tasks.js';
import type { Runner, RunnerTable, Sent } from './runner-table.js';
import type { TaskSender } from './task-sender.js';
import type { Held } from './held.js';
import type { WaitingTasks } from './waiting-tasks.js';

interface TurnsParts {
  readonly clock: Clock;
  readonly counters: Pick<EngineCounters, 'directDispatches'>;
  readonly table: RunnerTable;
  readonly pools: Pools;
  readonly room: QueueRoom;
  readonly waiting: WaitingTasks;
  readonly sender: TaskSender;
  /** Puts a task into the work queue. */
  readonly enqueue: (task: OutgoingTask, done: (outcome: PublishOutcome) => void) => void;
  /** Whether tasks may go straight to runners. */
  readonly direct: boolean;
  readonly held: Held;
}

/** Larger tasks go through the work queue. */
const LARGEST_TASK_LENGTH = 256 * 1024;
/** A slot counts as used recently in the current and the previous period of this length. */
const PERIOD_MS = 5_000;
/** How often to check how many tasks workers have taken from the queue, while tasks wait for this. */
const LOOK_MS = 500;

/** Gives the tasks of each pool to its workers one after another, in the order of the tenants' turns (ADR 0036). */
export class Turns {
  readonly #parts: TurnsParts;
  readonly #table: RunnerTable;
  readonly #pools: Pools;
  readonly #waiting: WaitingTasks;
  readonly #sender: TaskSender;
  readonly #queued = new QueuedTasks();
  readonly #givingSoon = new Set<string>();
  #periodEnds: number;
  #nextLook = 0;
  #isWanted: ((attemptKey: string, answer: (wanted: boolean) => void) => void) | undefined;

  constructor(parts: TurnsParts) {
    this.#parts = parts;
    this.#table = parts.table;
    this.#pools = parts.pools;
    this.#waiting = parts.waiting;
    this.#sender = parts.sender;
    this.#periodEnds = parts.clock.elapsed() + PERIOD_MS;
  }

  clear(): void {
    this.#queued.clear();
  }

  /** Registers the check whether attempts that were queued long ago are still wanted. */
  onDoubted(isWanted: (attemptKey: string, answer: (wanted: boolean) => void) => void): void {
    this.#isWanted = isWanted;
  }

  /** Hands a task out if it is its turn. Otherwise it waits. `done` is called once, later. */
  add(task: OutgoingTask, done: (outcome: PublishOutcome) => void): void {
    // A repeated dispatch: the caller knows that the queue does not have the task any more.
    this.leaveQueue(task.attemptKey);
    const pool = this.#pools.of(task.pool);
    const share = this.#shareOf(pool, task);
    const called = this.#waiting.hasCome(task.attemptKey);
    const first = pool.inMemory === 0 && (share.shelved === 0 || called);
    if (first && this.#handOut(pool, share, task, done) === 'given') return;
    this.#waiting.add(pool, share, task, done, called, this.#isHeld(pool, share));
    this.#giveWaiting(pool);
  }

  #shareOf(pool: PoolQueue, { task }: OutgoingTask): Share {
    const { tenantId, agent } = task;
    return pool.shareOf(tenantId, this.#parts.held.agent(agent, tenantId) ? agent : '');
  }

  /** Whether a pause holds back all tasks of a share. */
  #isHeld(pool: PoolQueue, { tenant, agent }: Share): boolean {
    const { held } = this.#parts;
    return held.pool(pool.name, tenant.id) || (agent !== '' && held.agent(agent, tenant.id));
  }

  /** How many tasks of a pool a pause holds back here. */
  heldIn(pool: PoolQueue): number {
    let held = 0;
    for (const share of pool.shares) {
      if (share.waiting + share.shelved + share.called > 0 && this.#isHeld(pool, share)) {
        held += share.waiting + share.shelved + share.called;
      }
    }
    return held;
  }

  #give(runner: Runner, share: Share, task: OutgoingTask, done: (outcome: PublishOutcome) => void): void {
    this.#parts.counters.directDispatches += 1;
    const sent: Sent = { task, share, running: true, done };
    this.#sender.send(runner, sent);
  }

  /**
   * Hands a task to the pool if there is room. `full`: there is no room for any task. `not_now`: only this task or its
   * tenant must wait.
   */
  #handOut(
    pool: PoolQueue,
    share: Share,
    task: OutgoingTask,
    done: (outcome: PublishOutcome) => void,
  ): 'given' | 'full' | 'not_now' {
    if (share.tenant.capped || this.#isHeld(pool, share)) return 'not_now';
    const small = task.length <= LARGEST_TASK_LENGTH;
    if (small && this.#parts.direct) {
      const runner = this.#table.withRoom(pool.name);
      if (runner !== undefined) {
        if (pool.tenants > 1 && !pool.mayTake(share, this.#table.room(pool.name), this.#table.slots(pool.name))) {
          return 'not_now';
        }
        pool.fullSince = undefined;
        pool.begin(share);
        this.#give(runner, share, task, done);
        return 'given';
      }
      if (this.#table.isOpen(pool.name) && !this.#parts.room.isCrowdedOut(pool)) return 'full';
    }
    const most = this.#parts.room.most(pool.name);
    if (pool.queued >= most) return small ? 'full' : 'not_now';
    if (!pool.mayTake(share, most - pool.queued, most)) return 'not_now';
    this.#enqueue(pool, share, task, done);
    return 'given';
  }

  #enqueue(pool: PoolQueue, share: Share, task: OutgoingTask, done: (outcome: PublishOutcome) => void): void {
    const queued = this.#queued.add(task.attemptKey, pool, share, this.#parts.clock.elapsed());
    this.#parts.enqueue(task, (outcome) => {
      if (outcome !== 'stored' && this.#queued.has(task.attemptKey, queued)) this.leaveQueue(task.attemptKey);
      done(outcome);
    });
  }

  /** Removes an attempt that is over or not in the queue any more. Returns false when it was not known to be there. */
  leaveQueue(attemptKey: string): boolean {
    const queued = this.#queued.take(attemptKey);
    if (queued === undefined) return false;
    this.giveSoon(queued.pool.name);
    return true;
  }

  giveAllWaiting(): void {
    for (const pool of this.#pools.all) this.#giveWaiting(pool);
  }

  giveWaitingOf(name: string): void {
    const pool = this.#pools.get(name);
    if (pool !== undefined) this.#giveWaiting(pool);
  }

  giveSoon(name: string): void {
    const pool = this.#pools.get(name);
    if (pool === undefined || pool.inMemory === 0 || this.#givingSoon.has(name)) return;
    this.#givingSoon.add(name);
    // Not in this turn of the event loop: an answer is being sent, and a runner has room only after it receives it.
    this.#parts.clock.soon(() => {
      this.#givingSoon.delete(name);
      this.#giveWaiting(pool);
    });
  }

  #giveWaiting(pool: PoolQueue): void {
    if (pool.inMemory === 0) return;
    let passed: Set<Share> | undefined;
    for (let share = pool.next(passed); share !== undefined; share = pool.next(passed)) {
      const waiting = share.peek();
      if (waiting === undefined) break;
      const { task, done } = waiting;
      if (task.isWanted?.() === false) {
        this.#waiting.take(pool, share);
        done?.('put_aside');
        continue;
      }
      const own = this.#shareOf(pool, task);
      if (own.agent !== '' && own !== share) {
        // Its agent was paused while it waited.
        this.#waiting.take(pool, share);
        const kept = done === undefined ? mayHaveRun(task) : task;
        this.#waiting.add(pool, own, kept, done ?? (() => undefined), false, true);
        continue;
      }
      // A shelved attempt may have ended since, so the runner must ask before it begins.
      const outcome =
        done === undefined
          ? this.#handOut(pool, share, mayHaveRun(task), () => undefined)
          : this.#handOut(pool, share, task, done);
      if (outcome === 'full') break;
      if (outcome === 'given') this.#waiting.take(pool, share);
      else (passed ??= new Set()).add(share);
    }
    this.#unshelve(pool);
  }

  #unshelve(pool: PoolQueue): void {
    if (this.#waiting.shelved === 0) return;
    for (const share of pool.shares) if (!this.#isHeld(pool, share)) this.#waiting.unshelve(share);
  }

  /** Handles events that neither results nor beats report: elapsed time, and attempts that ended without a result. */
  tick(now: number): void {
    if (now >= this.#periodEnds) this.#endPeriod(now);
    this.#doubt(now);
    const look = now >= this.#nextLook;
    if (look) this.#nextLook = now + LOOK_MS;
    for (const pool of this.#pools.all) {
      if (pool.waiting === 0) {
        this.#parts.room.forget(pool);
        continue;
      }
      this.#unshelve(pool);
      this.#giveWaiting(pool);
      if (look && (!this.#parts.direct || !this.#table.isOpen(pool.name))) void this.#look(pool);
    }
  }

  #endPeriod(now: number): void {
    this.#periodEnds = now + PERIOD_MS;
    for (const pool of this.#pools.all) {
      pool.rotate();
      this.#waiting.putAside(pool, now);
    }
    this.#pools.forgetUnused();
    this.#waiting.forgetCalled(now);
  }

  async #look(pool: PoolQueue): Promise<void> {
    if (await this.#parts.room.look(pool)) this.#giveWaiting(pool);
  }

  /** Checks attempts that were queued long ago, because a cancelled attempt has no result. */
  #doubt(now: number): void {
    if (this.#isWanted === undefined) return;
    for (const [key, queued] of this.#queued.doubted(now)) {
      this.#isWanted(key, (wanted) => {
        if (!wanted && this.#queued.has(key, queued)) this.leaveQueue(key);
      });
    }
  }
}

/** A task that a runner may have begun before it could confirm it. */
export function mayHaveRun(outgoing: OutgoingTask): OutgoingTask {
  const { pool, attemptKey, lostRunners, priority, subject, messageId, task, length } = outgoing;
  return {
    pool,
    attemptKey,
    again: true,
    lostRunners,
    priority,
    subject,
    messageId,
    task: { ...task, checkFirst: true },
    length,
  };
}

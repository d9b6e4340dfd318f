import { SlotMap } from '@batuta/collections';
import type { RunnerBeat } from '@batuta/contracts';
import type { EngineCounters } from '../ports/counters.js';
import { PoolQueue, TenantUse } from './pool-queue.js';
import type { Share, TenantTerms } from './pool-queue.js';
import type { Beginning, Clock, EngineLog, LostTask, OutgoingTask, PublishOutcome, Runs } from '../ports/ports.js';
import { QueuedTasks } from './queued-tasks.js';
import { RunnerLives } from './runner-life.js';
import { RunnerTable, settleSent } from './runner-table.js';
import type { Runner, Sent } from './runner-table.js';
import { TaskSender } from './task-sender.js';
import type { AskRunner } from './task-sender.js';
import { WaitingTasks, lostTask } from './waiting-tasks.js';
import type { WaitingSizes } from './waiting-tasks.js';

export interface DirectDispatchParts {
  readonly clock: Clock;
  readonly log: Pick<EngineLog, 'info' | 'warn' | 'error'>;
  readonly counters: Pick<EngineCounters, 'directDispatches' | 'lostRunners'>;
  readonly ask: AskRunner;
  /** Puts a task into the work queue instead. */
  readonly enqueue: (task: OutgoingTask, done: (outcome: PublishOutcome) => void) => void;
  /** Whether tasks may go straight to runners. Default true. */
  readonly direct?: boolean;
  /** The limits of a tenant. Default: the same for all, without a limit. */
  readonly terms?: (tenantId: string) => TenantTerms;
  readonly sizes?: WaitingSizes;
  /** How many tasks workers have taken from a pool's work queue and not finished. Rejects when this is unknown. */
  readonly taken?: (pool: string) => Promise<number>;
}

/** Larger tasks go through the work queue. */
const LARGEST_TASK_LENGTH = 256 * 1024;
const TICK_MS = 250;
/**
 * If a pool has no free slot for this owner for this long (more than the time between two beats), other owners count as
 * having used its share.
 */
const PATIENCE_MS = 1_000;
const EQUAL_TERMS: TenantTerms = { weight: 1, running: Infinity };
/** A slot counts as used recently in the current and the previous period of this length. */
const PERIOD_MS = 5_000;
/** How often to check how many tasks workers have taken from the queue, while tasks wait for this. */
const LOOK_MS = 500;
/** Tasks in the work queue in addition to those that can run at once, so that workers do not wait for the next task. */
const AHEAD = 16;
const AHEAD_SHARE = 1.5;
/** A runner that was allowed to begin a task reports it within this time, or has dropped it. */
const BEGINNING_MS = 2_000;
const SHORTEST_EXPIRY_MS = 50;

/**
 * Decides when each task goes to the workers of its pool, and how: straight to a runner with a free slot, which takes
 * two messages for all tasks of a commit instead of four for each, or through the work queue. A pool never gets many
 * more tasks than it has slots. The other tasks wait here, where tenants take turns (ADR 0036).
 *
 * Nothing here outlives the process, because a runner's beats tell every owner what it holds. A task is dispatched
 * again when no beat names it any more, or when its runner is silent. The audit finds tasks that were lost together
 * with their owner (ADR 0012).
 */
export class DirectDispatch {
  readonly #parts: DirectDispatchParts;
  readonly #table = new RunnerTable(({ task, share }) => this.#pools.get(task.pool)?.end(share));
  readonly #lives: RunnerLives;
  readonly #sender: TaskSender;
  readonly #tenants = new Map<string, TenantUse>();
  readonly #pools = new Map<string, PoolQueue>();
  readonly #queued = new QueuedTasks();
  readonly #waiting: WaitingTasks;
  #listener: (lost: readonly LostTask[]) => void = () => undefined;
  #cancel: () => void;
  #lastTick: number;
  /** This owner's share of all partitions. */
  #part = 1;
  #periodEnds: number;
  /** How many tasks workers have taken from the work queue, by pool, at the last check. */
  readonly #taken = new Map<string, number>();
  #nextLook = 0;
  #isWanted: ((attemptKey: string, answer: (wanted: boolean) => void) => void) | undefined;
  readonly #givingSoon = new Set<string>();

  constructor(parts: DirectDispatchParts) {
    this.#parts = parts;
    const { clock, log, ask, sizes } = parts;
    const table = this.#table;
    this.#lives = new RunnerLives({
      clock,
      ask,
      table,
      lost: (runner, reason, ended) => this.#lost(runner, reason, ended),
    });
    this.#sender = new TaskSender({
      clock,
      log,
      ask,
      table,
      refused: (task, done) => this.dispatch(task, done),
    });
    this.#waiting = new WaitingTasks(clock, (tasks) => this.#listener(tasks), sizes);
    this.#lastTick = clock.elapsed();
    this.#periodEnds = this.#lastTick + PERIOD_MS;
    this.#cancel = clock.after(TICK_MS, () => this.#tick());
  }

  close(): void {
    this.#cancel();
    this.#pools.clear();
    this.#waiting.clear();
    this.#queued.clear();
    this.#table.clear();
    this.#lives.clear();
  }

  get runners(): number {
    return this.#table.size;
  }

  onLost(listener: (lost: readonly LostTask[]) => void): void {
    this.#listener = listener;
  }

  /** Registers the check whether attempts that were queued long ago are still wanted. */
  onDoubted(isWanted: (attemptKey: string, answer: (wanted: boolean) => void) => void): void {
    this.#isWanted = isWanted;
  }

  /** Sets this owner's share of all partitions. It may use the same share of the limits of tasks. */
  owns(part: number): void {
    this.#part = part;
    this.termsChanged();
  }

  /** The limits of tenants have changed. */
  termsChanged(): void {
    for (const tenant of this.#tenants.values()) tenant.terms = this.#termsOf(tenant.id);
    for (const pool of this.#pools.values()) this.#giveWaiting(pool);
  }

  /** Whether the attempt waits here for its turn. */
  waits(attemptKey: string): boolean {
    return this.#waiting.has(attemptKey);
  }

  /** How many tasks of a pool wait here. */
  waitingIn(pool: string): number {
    return this.#pools.get(pool)?.waiting ?? 0;
  }

  /** How many tasks wait here, by pool. */
  *waitingByPool(): IterableIterator<[string, number]> {
    for (const [name, pool] of this.#pools) yield [name, pool.waiting];
  }

  /** Running attempts of each tenant that this owner handed out. */
  *runningByTenant(): IterableIterator<[string, number]> {
    for (const { id, running } of this.#tenants.values()) yield [id, running];
  }

  runningOf(tenantId: string): number {
    return this.#tenants.get(tenantId)?.running ?? 0;
  }

  /**
   * Whether a live runner holds the attempt. With `pool`: a runner of that pool, because a beat counts only for its own
   * pool.
   */
  holds(attemptKey: string, pool?: string): boolean {
    return this.#table.holds(attemptKey, pool);
  }

  /** A runner wants to begin a task that another runner may have, or may have had. */
  begins(beginning: Beginning): Runs {
    return this.#lives.begins(beginning);
  }

  /** Gives the task to workers when its turn comes. `done` is called once, later. */
  dispatch(task: OutgoingTask, done: (outcome: PublishOutcome) => void): void {
    if (this.#joins(task, done)) return;
    // A repeated dispatch: the caller knows that the queue does not have the task any more.
    this.#leaveQueue(task.attemptKey);
    const pool = this.#poolOf(task.pool);
    const share = pool.shareOf(task.task.tenantId ?? '');
    const called = this.#waiting.hasCome(task.attemptKey);
    const first = pool.inMemory === 0 && (share.shelved === 0 || called);
    if (first && this.#handOut(pool, share, task, done) === 'given') return;
    this.#waiting.add(pool, share, task, done, called);
    this.#giveWaiting(pool);
  }

  /** The attempt's result has arrived, so its slot is free. */
  reported(attemptKey: string): void {
    if (this.#leaveQueue(attemptKey)) return;
    const runner = this.#table.holderOf(attemptKey);
    const sent = runner?.sent.get(attemptKey);
    if (runner === undefined || sent?.running !== true) return;
    this.#table.stop(runner, sent);
    this.#giveWaitingOf(sent.task.pool);
  }

  /** The attempt's result was answered. */
  answered(attemptKey: string): void {
    this.#lives.over(attemptKey);
    const runner = this.#table.holderOf(attemptKey);
    if (runner === undefined) {
      // Sent by an earlier owner, or lost since.
      this.#table.forget(attemptKey);
      return;
    }
    runner.held.delete(attemptKey);
    runner.begun.delete(attemptKey);
    const sent = this.#table.take(runner, attemptKey);
    if (sent === undefined) return;
    if (sent.done !== undefined) settleSent(sent, 'stored');
    this.#giveSoon(sent.task.pool);
  }

  heard(beat: RunnerBeat): void {
    const runner = this.#table.get(beat.incarnation) ?? this.#newRunner(beat);
    const now = this.#parts.clock.elapsed();
    runner.seen = now;
    runner.expiresMs = Math.max(SHORTEST_EXPIRY_MS, beat.expiresMs);
    runner.life = 'heard';
    runner.held = new Set(beat.held);
    for (const key of beat.begun ?? []) runner.begun.set(key, now);
    for (const [key, at] of runner.begun) {
      if (beat.over === true || at < now - BEGINNING_MS) runner.begun.delete(key);
    }
    const dropped = this.#compareSent(runner);
    for (const { pool: name, free, open, slots } of beat.pools) {
      const pool = runner.pools.get(name) ?? { limit: 0, open: false, slots: 0, running: 0, sent: 0, batch: [] };
      runner.pools.set(name, pool);
      pool.open = open;
      pool.slots = slots;
      // Tasks in transit may be counted twice, so the limit is the number of slots.
      pool.limit = open ? Math.min(slots, free + pool.running) : 0;
    }
    for (const { pool } of beat.pools) this.#giveWaitingOf(pool);
    if (dropped.length > 0) this.#listener(dropped);
  }

  #newRunner(beat: RunnerBeat): Runner {
    const runner: Runner = {
      id: beat.runnerId,
      incarnation: beat.incarnation,
      pool: beat.pools[0]?.pool ?? '',
      seen: 0,
      expiresMs: 0,
      pools: new Map(),
      held: new Set(),
      begun: new Map(),
      sent: new SlotMap(),
      life: 'heard',
    };
    this.#lives.appeared(runner);
    this.#table.add(runner);
    return runner;
  }

  /** Compares the tasks that a runner says it holds with those sent to it. Returns those that it has dropped. */
  #compareSent(runner: Runner): LostTask[] {
    const dropped: LostTask[] = [];
    for (const [key, sent] of runner.sent) {
      if (runner.held.has(key)) {
        if (sent.done !== undefined) settleSent(sent, 'stored');
      } else if (sent.done === undefined) {
        // It has dropped tasks that it confirmed but neither holds nor has reported.
        this.#table.take(runner, key);
        dropped.push(this.#lostTask(runner.pool, key, sent.task.lostRunners));
      }
    }
    return dropped;
  }

  /** The connection was restored. Missed beats say nothing about the runners. */
  reconnected(): void {
    const now = this.#parts.clock.elapsed();
    for (const runner of this.#table.all) runner.seen = now;
  }

  /**
   * Joins a dispatch to an earlier one of the same attempt if a runner has it already. A first dispatch that waited for
   * its agent or its slot can come after a second one that was made because of the wait. One runner is enough, and both
   * dispatches get the same outcome.
   */
  #joins({ attemptKey }: OutgoingTask, done: (outcome: PublishOutcome) => void): boolean {
    if (this.#waiting.join(attemptKey, done)) return true;
    const sent = this.#table.holderOf(attemptKey)?.sent.get(attemptKey);
    if (sent === undefined) return false;
    const { done: before } = sent;
    if (before === undefined) {
      queueMicrotask(() => done('stored'));
    } else {
      sent.done = (outcome) => {
        before(outcome);
        done(outcome);
      };
    }
    return true;
  }

  #give(runner: Runner, share: Share, task: OutgoingTask, done: (outcome: PublishOutcome) => void): void {
    this.#parts.counters.directDispatches += 1;
    const sent: Sent = { task, share, running: true, done };
    this.#sender.send(runner, sent);
  }

  #poolOf(name: string): PoolQueue {
    let pool = this.#pools.get(name);
    if (pool === undefined) {
      pool = new PoolQueue(name, (tenantId) => this.#tenantOf(tenantId));
      this.#pools.set(name, pool);
    }
    return pool;
  }

  #tenantOf(tenantId: string): TenantUse {
    let tenant = this.#tenants.get(tenantId);
    if (tenant === undefined) {
      tenant = new TenantUse(tenantId, this.#termsOf(tenantId));
      this.#tenants.set(tenantId, tenant);
    }
    return tenant;
  }

  #termsOf(tenantId: string): TenantTerms {
    const { weight, running } = this.#parts.terms?.(tenantId) ?? EQUAL_TERMS;
    return running === Infinity
      ? { weight, running }
      : { weight, running: Math.max(1, Math.ceil(running * this.#part)) };
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
    if (share.tenant.capped) return 'not_now';
    const small = task.length <= LARGEST_TASK_LENGTH;
    if (small && this.#parts.direct !== false) {
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
      if (this.#table.isOpen(pool.name) && !this.#isCrowdedOut(pool)) return 'full';
    }
    const most = this.#mostQueued(pool.name);
    if (pool.queued >= most) return small ? 'full' : 'not_now';
    if (!pool.mayTake(share, most - pool.queued, most)) return 'not_now';
    this.#enqueue(pool, share, task, done);
    return 'given';
  }

  /**
   * Whether other owners have used this owner's share of the slots for some time, because they fill free slots before a
   * beat reports them. A task in the work queue gets a slot anyway.
   */
  #isCrowdedOut(pool: PoolQueue): boolean {
    const now = this.#parts.clock.elapsed();
    pool.fullSince ??= now;
    return now - pool.fullSince >= PATIENCE_MS && pool.running < Math.ceil(this.#table.slots(pool.name) * this.#part);
  }

  /** How many tasks of a pool this owner may have in the work queue and with the workers that take from it. */
  #mostQueued(pool: string): number {
    const slots = this.#table.slots(pool);
    const taken = this.#taken.get(pool) ?? 0;
    // Queued tasks keep others from going straight to runners, so there are no more than workers can run at once.
    const all = this.#parts.direct !== false && slots > 0 ? slots : Math.max(slots, taken) * AHEAD_SHARE + AHEAD;
    return Math.max(1, Math.ceil(all * this.#part));
  }

  #enqueue(pool: PoolQueue, share: Share, task: OutgoingTask, done: (outcome: PublishOutcome) => void): void {
    const queued = this.#queued.add(task.attemptKey, pool, share, this.#parts.clock.elapsed());
    this.#parts.enqueue(task, (outcome) => {
      if (outcome !== 'stored' && this.#queued.has(task.attemptKey, queued)) this.#leaveQueue(task.attemptKey);
      done(outcome);
    });
  }

  /** Removes an attempt that is over or not in the queue any more. Returns false when it was not known to be there. */
  #leaveQueue(attemptKey: string): boolean {
    const queued = this.#queued.take(attemptKey);
    if (queued === undefined) return false;
    this.#giveSoon(queued.pool.name);
    return true;
  }

  #giveWaitingOf(name: string): void {
    const pool = this.#pools.get(name);
    if (pool !== undefined) this.#giveWaiting(pool);
  }

  #giveSoon(name: string): void {
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
      // A shelved attempt may have ended since, so the runner must ask before it begins.
      const outcome =
        done === undefined
          ? this.#handOut(pool, share, mayHaveRun(task), () => undefined)
          : this.#handOut(pool, share, task, done);
      if (outcome === 'full') break;
      if (outcome === 'given') this.#waiting.take(pool, share);
      else (passed ??= new Set()).add(share);
    }
    if (this.#waiting.shelved > 0) for (const share of pool.shares) this.#waiting.unshelve(share);
  }

  /** Handles a lost runner: its tasks are dispatched again. `ended`: its process is gone. */
  #lost(runner: Runner, reason: string, ended: boolean): void {
    this.#lives.lost(runner, ended);
    const had = new Map(this.#table.remove(runner));
    const lost: LostTask[] = [];
    const unsettled: Sent[] = [];
    for (const [key, sent] of had) {
      if (sent.done === undefined) lost.push(this.#lostTask(runner.pool, key, sent.task.lostRunners));
      else unsettled.push(sent);
    }
    // Tasks sent by other owners: the current owners of their partitions handle them.
    for (const key of runner.held) {
      if (!had.has(key)) lost.push({ ...this.#lostTask(runner.pool, key, 0), pools: [...runner.pools.keys()] });
    }
    const fields = { worker_id: runner.id, count: lost.length + unsettled.length, reason };
    if (fields.count > 0) this.#parts.counters.lostRunners += 1;
    if (fields.count > 0) this.#parts.log.warn(fields, 'a runner is gone, its tasks are dispatched again');
    else this.#parts.log.info(fields, 'a runner is gone');
    for (const sent of unsettled) {
      const { task, done } = sent;
      sent.done = undefined;
      if (done !== undefined) this.dispatch(ended ? mayHaveRun(task) : task, done);
    }
    if (lost.length > 0) this.#listener(lost);
  }

  #tick(): void {
    const { clock } = this.#parts;
    const now = clock.elapsed();
    // This process stalled, so beats that arrived meanwhile are still unread.
    if (now - this.#lastTick > 2 * TICK_MS) this.reconnected();
    this.#lastTick = now;
    this.#lives.tick(now);
    this.#seeToWaiting(now);
    this.#cancel = clock.after(TICK_MS, () => this.#tick());
  }

  /** Handles events that neither results nor beats report: elapsed time, and attempts that ended without a result. */
  #seeToWaiting(now: number): void {
    if (now >= this.#periodEnds) this.#endPeriod(now);
    this.#doubt(now);
    const look = now >= this.#nextLook;
    if (look) this.#nextLook = now + LOOK_MS;
    for (const pool of this.#pools.values()) {
      if (pool.waiting === 0) {
        this.#taken.delete(pool.name);
        continue;
      }
      for (const share of pool.shares) this.#waiting.unshelve(share);
      this.#giveWaiting(pool);
      if (look && (this.#parts.direct === false || !this.#table.isOpen(pool.name))) void this.#look(pool);
    }
  }

  #endPeriod(now: number): void {
    this.#periodEnds = now + PERIOD_MS;
    for (const pool of this.#pools.values()) {
      pool.rotate();
      this.#waiting.putAside(pool, now);
      if (pool.tenants === 0 && pool.queued === 0) this.#pools.delete(pool.name);
    }
    for (const [id, tenant] of this.#tenants) if (tenant.shares === 0) this.#tenants.delete(id);
    this.#waiting.forgetCalled(now);
  }

  async #look(pool: PoolQueue): Promise<void> {
    try {
      const taken = await this.#parts.taken?.(pool.name);
      if (taken === undefined || this.#pools.get(pool.name) !== pool) return;
      this.#taken.set(pool.name, taken);
      this.#giveWaiting(pool);
    } catch (error) {
      this.#parts.log.warn({ err: error, pool: pool.name }, 'the work queue of a pool cannot be looked at now');
    }
  }

  /** Checks attempts that were queued long ago, because a cancelled attempt has no result. */
  #doubt(now: number): void {
    if (this.#isWanted === undefined) return;
    for (const [key, queued] of this.#queued.doubted(now)) {
      this.#isWanted(key, (wanted) => {
        if (!wanted && this.#queued.has(key, queued)) this.#leaveQueue(key);
      });
    }
  }

  #lostTask(pool: string, attemptKey: string, known: number): LostTask {
    return lostTask(attemptKey, Math.max(known, this.#lives.endedWith(attemptKey, pool)));
  }
}

/** A task that a runner may have begun before it could confirm it. */
function mayHaveRun(outgoing: OutgoingTask): OutgoingTask {
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

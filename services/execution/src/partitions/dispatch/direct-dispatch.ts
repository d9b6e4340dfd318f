import type { RunnerBeat } from '@batuta/contracts';
import type { EngineCounters } from '../ports/counters.js';
import type { TenantTerms } from './pool-queue.js';
import type { Beginning, Clock, EngineLog, LostTask, OutgoingTask, PublishOutcome, Runs } from '../ports/ports.js';
import { Pools } from './pools.js';
import { NOTHING_HELD } from './held.js';
import type { Held } from './held.js';
import { QueueRoom } from './queue-room.js';
import { RunnerBeats } from './runner-beats.js';
import { RunnerLives } from './runner-life.js';
import { RunnerTable, settleSent } from './runner-table.js';
import type { Runner, Sent } from './runner-table.js';
import { TaskSender } from './task-sender.js';
import type { AskRunner } from './task-sender.js';
import { Turns, mayHaveRun } from './turns.js';
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
  /** Which tasks wait although there is room. Default: none. */
  readonly held?: Held;
}

const TICK_MS = 250;

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
  readonly #beats: RunnerBeats;
  readonly #pools: Pools;
  readonly #turns: Turns;
  readonly #waiting: WaitingTasks;
  #listener: (lost: readonly LostTask[]) => void = () => undefined;
  #cancel: () => void;
  #lastTick: number;

  constructor(parts: DirectDispatchParts) {
    this.#parts = parts;
    const { clock, log, counters, ask, enqueue, direct = true, sizes, taken, held = NOTHING_HELD } = parts;
    const table = this.#table;
    const pools = new Pools(parts.terms);
    this.#pools = pools;
    this.#lives = new RunnerLives({
      clock,
      ask,
      table,
      lost: (runner, reason, ended) => this.#lost(runner, reason, ended),
    });
    this.#beats = new RunnerBeats(clock, table, this.#lives);
    const sender = new TaskSender({
      clock,
      log,
      ask,
      table,
      refused: (task, done) => this.dispatch(task, done),
    });
    const waiting = new WaitingTasks(clock, (tasks) => this.#listener(tasks), sizes);
    this.#waiting = waiting;
    const room = new QueueRoom({ clock, log, direct, taken }, table, pools);
    this.#turns = new Turns({ clock, counters, table, pools, room, waiting, sender, enqueue, direct, held });
    this.#lastTick = clock.elapsed();
    this.#cancel = clock.after(TICK_MS, () => this.#tick());
  }

  close(): void {
    this.#cancel();
    this.#pools.clear();
    this.#waiting.clear();
    this.#turns.clear();
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
    this.#turns.onDoubted(isWanted);
  }

  /** Sets this owner's share of all partitions. It may use the same share of the limits of tasks. */
  owns(part: number): void {
    this.#pools.part = part;
    this.#turns.giveAllWaiting();
  }

  /** The limits of tenants have changed. */
  termsChanged(): void {
    this.#pools.termsChanged();
    this.#turns.giveAllWaiting();
  }

  /** What is paused has changed. */
  pausesChanged(): void {
    this.#turns.giveAllWaiting();
  }

  /** Whether the attempt waits here for its turn. */
  waits(attemptKey: string): boolean {
    return this.#waiting.has(attemptKey);
  }

  /** How many tasks of a pool wait here for a slot, without those that a pause holds back. */
  waitingIn(name: string): number {
    const pool = this.#pools.get(name);
    return pool === undefined ? 0 : pool.waiting - this.#turns.heldIn(pool);
  }

  /** How many tasks wait here for a slot, by pool. */
  *waitingByPool(): IterableIterator<[string, number]> {
    for (const pool of this.#pools.all) yield [pool.name, pool.waiting - this.#turns.heldIn(pool)];
  }

  /** How many tasks pauses hold back here, by pool. */
  *heldByPool(): IterableIterator<[string, number]> {
    for (const pool of this.#pools.all) yield [pool.name, this.#turns.heldIn(pool)];
  }

  /** Running attempts of each tenant that this owner handed out. */
  *runningByTenant(): IterableIterator<[string, number]> {
    for (const { id, running } of this.#pools.tenants) yield [id, running];
  }

  runningOf(tenantId: string): number {
    return this.#pools.tenant(tenantId)?.running ?? 0;
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
    this.#turns.add(task, done);
  }

  /** The attempt's result has arrived, so its slot is free. */
  reported(attemptKey: string): void {
    if (this.#turns.leaveQueue(attemptKey)) return;
    const runner = this.#table.holderOf(attemptKey);
    const sent = runner?.sent.get(attemptKey);
    if (runner === undefined || sent?.running !== true) return;
    this.#table.stop(runner, sent);
    this.#turns.giveWaitingOf(sent.task.pool);
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
    this.#turns.giveSoon(sent.task.pool);
  }

  heard(beat: RunnerBeat): void {
    const { runner, dropped } = this.#beats.note(beat);
    for (const { pool } of beat.pools) this.#turns.giveWaitingOf(pool);
    if (dropped.length === 0) return;
    this.#listener(dropped.map(({ task }) => this.#lostTask(runner.pool, task.attemptKey, task.lostRunners)));
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
    this.#turns.tick(now);
    this.#cancel = clock.after(TICK_MS, () => this.#tick());
  }

  #lostTask(pool: string, attemptKey: string, known: number): LostTask {
    return lostTask(attemptKey, Math.max(known, this.#lives.endedWith(attemptKey, pool)));
  }
}

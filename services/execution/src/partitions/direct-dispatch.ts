import { SlotMap } from '@batuta/collections';
import { subjects } from '@batuta/contracts';
import type { DirectReceipt, DirectTasks, RunnerBeat } from '@batuta/contracts';
import { JsonMessage } from '@batuta/messaging';
import type { EngineCounters } from './counters.js';
import { ALONE_AT, LostRunners } from './lost-runners.js';
import type { PoolRun } from './lost-runners.js';
import { PoolQueue, TenantUse } from './pool-queue.js';
import type { Share, TenantTerms, WaitingTask } from './pool-queue.js';
import type { Beginning, Clock, EngineLog, LostTask, OutgoingTask, PublishOutcome, Runs } from './ports.js';

/** The outcome of a request to a runner: the text of its answer, or why there is none. */
export type RunnerAnswer = { readonly text: string } | 'timeout' | 'no_responders' | 'lost';

export interface DirectDispatchParts {
  readonly clock: Clock;
  readonly log: Pick<EngineLog, 'info' | 'warn' | 'error'>;
  readonly counters: Pick<EngineCounters, 'directDispatches' | 'lostRunners'>;
  /** Sends a request to a runner. `settle` is called once, later, after at most `timeoutMs`. */
  readonly ask: (
    subject: string,
    tasks: JsonMessage<DirectTasks>,
    timeoutMs: number,
    settle: (answer: RunnerAnswer) => void,
  ) => void;
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

/** A task that was sent to a runner or is held by one. */
interface Sent {
  readonly task: OutgoingTask;
  readonly share: Share;
  /** Whether its result is still missing. */
  running: boolean;
  /** Undefined after the runner confirmed the task, or after its result was answered. */
  done: ((outcome: PublishOutcome) => void) | undefined;
}

interface RunnerPool {
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

/** A task in the work queue, or taken from it, as far as this owner knows. */
interface Queued {
  readonly pool: PoolQueue;
  readonly share: Share;
  /** Elapsed time since the last check whether it is still wanted. */
  since: number;
}

interface Runner {
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
  pinged: boolean;
  /** Whether it was asked for a sign of life because a new runner has appeared since it was last heard. */
  suspected: boolean;
}

/** Larger tasks go through the work queue. */
const LARGEST_TASK_LENGTH = 256 * 1024;
const LARGEST_BATCH_LENGTH = 1024 * 1024;
const TICK_MS = 250;
/** Limits of the tasks that wait in this process. */
export interface WaitingSizes {
  /** Tasks in memory, and their characters. Further tasks are rebuilt when their turn comes near. */
  readonly tasks: number;
  readonly length: number;
  /** Tasks of one tenant and pool that may always wait in memory, whatever others use. */
  readonly least: number;
  /** For one tenant and pool: with fewer tasks in memory, the next shelved ones are rebuilt. */
  readonly mark: number;
  /** Tasks of which only the name is kept. The audit finds tasks beyond this limit. */
  readonly shelved: number;
}

const SIZES: WaitingSizes = { tasks: 20_000, length: 32 * 1024 * 1024, least: 16, mark: 200, shelved: 200_000 };
/** One tenant may use at most this share of them in one pool. */
const SHARE_OF_SIZES = 0.5;
/** A dispatch that waits longer no longer holds back its partition's published position. */
const KEPT_OPEN_MS = 60_000;
/** A task taken from the shelf is dispatched again within this time, or is not wanted any more. */
const CALLED_MS = 10_000;
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
/** An attempt that was queued this long ago may have ended without a result. This many are checked at a time. */
const DOUBTED_MS = 5_000;
const MOST_DOUBTED = 100;
const RECEIPT_MS = 1_000;
/** After this share of its expiry without a sign of life, a runner is asked whether it is alive. */
const SILENT_SHARE = 0.45;
/**
 * A runner with an open connection may be silent for this many times its expiry before its tasks go to others. The
 * server notices at once when a process has ended, and a process that only stalls continues later.
 */
const STILL_SHARE = 6;
/**
 * A runner that was given up without proof of its end may end later. It is asked for this long, and then counts as
 * ended.
 */
const AWAY_MS = 120_000;
/** A runner that was allowed to begin a task reports it within this time, or has dropped it. */
const BEGINNING_MS = 2_000;
/** For this long, a runner's end may explain why the queue delivers a task again that no beat has named. */
const ENDED_LATELY_MS = 60_000;
const SHORTEST_EXPIRY_MS = 50;
/** No process restarts this fast, so a runner heard within this time was not replaced. */
const QUICKEST_START_MS = 100;
/**
 * Results may wait for their commits while other tasks run, so a runner may hold more tasks than it has slots, at most
 * twice its slots.
 */
const HELD_SHARE = 1.5;

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
  readonly #runners = new Map<string, Runner>();
  /** Runners that were given up because they were silent, and the tasks that they had. */
  readonly #away = new Map<string, { readonly runner: Runner; readonly since: number; asked: number }>();
  readonly #lostRunners = new LostRunners();
  /** The latest known end of a run, by pool. */
  readonly #lastEnds = new Map<string, PoolRun & { readonly at: number }>();
  /** The runner of each attempt that this owner sent and whose result is not answered. */
  readonly #holders = new Map<string, Runner>();
  #listener: (lost: readonly LostTask[]) => void = () => undefined;
  #cancel: () => void;
  #lastTick: number;
  readonly #flushing = new Set<Runner>();
  readonly #tenants = new Map<string, TenantUse>();
  readonly #pools = new Map<string, PoolQueue>();
  /** By attempt. */
  readonly #queued = new SlotMap<string, Queued>();
  /** Attempts that wait here, with their tasks, or null for shelved ones. */
  readonly #waiting = new Map<string, WaitingTask | null>();
  #waitingCount = 0;
  #waitingLength = 0;
  #shelvedCount = 0;
  #unshelving = false;
  /** Taken from the shelf, but not dispatched again yet. */
  readonly #called = new Map<string, { readonly share: Share; readonly since: number }>();
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
    this.#lastTick = parts.clock.elapsed();
    this.#periodEnds = this.#lastTick + PERIOD_MS;
    this.#cancel = parts.clock.after(TICK_MS, () => this.#tick());
  }

  close(): void {
    this.#cancel();
    this.#pools.clear();
    this.#waiting.clear();
    this.#queued.clear();
    this.#runners.clear();
    this.#away.clear();
    this.#holders.clear();
  }

  get runners(): number {
    return this.#runners.size;
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
    return this.#waiting.has(attemptKey) || this.#called.has(attemptKey);
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
    if (this.#holders.has(attemptKey)) return true;
    for (const runner of this.#runners.values()) {
      if ((pool === undefined || runner.pools.has(pool)) && runner.held.has(attemptKey)) return true;
    }
    return false;
  }

  /**
   * A runner wants to begin a task that another runner may have, or may have had. If no runner of its pool has it, the
   * task counts as begun there from now on. It does not if the task must run alone and would not.
   */
  begins({ attemptKey, incarnation, redelivered, alone }: Beginning): Runs {
    const own = this.#runners.get(incarnation);
    const pool = own?.pool ?? '';
    for (const runner of this.#runners.values()) {
      if (runner === own) continue;
      const said = runner.pool === pool && (runner.held.has(attemptKey) || runner.begun.has(attemptKey));
      if (said || runner.sent.has(attemptKey)) {
        return { held: true, lostRunners: this.#lostRunners.count(attemptKey, pool) };
      }
    }
    const now = this.#parts.clock.elapsed();
    if (redelivered && this.#lostRunners.count(attemptKey, pool) === 0) {
      // A runner may have had it so briefly that no beat named it, and then stalled or ended.
      for (const runner of this.#runners.values()) {
        const silent = now - runner.seen > runner.expiresMs * SILENT_SHARE;
        if (runner !== own && runner.pool === pool && silent) return { held: true, lostRunners: 0 };
      }
      const last = this.#lastEnds.get(pool);
      if (last !== undefined && now - last.at < ENDED_LATELY_MS) this.#lostRunners.ended(attemptKey, last);
    }
    const lostRunners = this.#lostRunners.count(attemptKey, pool);
    if (alone || lostRunners < ALONE_AT) own?.begun.set(attemptKey, now);
    return { held: false, lostRunners };
  }

  /** Gives the task to workers when its turn comes. `done` is called once, later. */
  dispatch(task: OutgoingTask, done: (outcome: PublishOutcome) => void): void {
    if (this.#joins(task, done)) return;
    // A repeated dispatch: the caller knows that the queue does not have the task any more.
    if (this.#queued.size > 0) this.#leaveQueue(task.attemptKey);
    const pool = this.#poolOf(task.pool);
    const share = pool.shareOf(task.task.tenantId ?? '');
    const called = this.#called.size > 0 && this.#hasCome(task.attemptKey);
    const first = pool.inMemory === 0 && (share.shelved === 0 || called);
    if (first && this.#handOut(pool, share, task, done) === 'given') return;
    this.#wait(pool, share, task, done, called);
    this.#giveWaiting(pool);
  }

  /** The attempt's result has arrived, so its slot is free. */
  reported(attemptKey: string): void {
    if (this.#queued.size > 0 && this.#leaveQueue(attemptKey)) return;
    const runner = this.#holders.get(attemptKey);
    const sent = runner?.sent.get(attemptKey);
    if (runner === undefined || sent?.running !== true) return;
    this.#stop(runner, sent);
    this.#giveWaitingOf(sent.task.pool);
  }

  /** The attempt's result was answered. */
  answered(attemptKey: string): void {
    this.#lostRunners.over(attemptKey);
    const runner = this.#holders.get(attemptKey);
    if (runner === undefined) {
      // Sent by an earlier owner, or lost since: a runner's last beat may still name it.
      for (const { held, begun } of this.#runners.values()) {
        held.delete(attemptKey);
        begun.delete(attemptKey);
      }
      return;
    }
    runner.held.delete(attemptKey);
    runner.begun.delete(attemptKey);
    const sent = this.#take(runner, attemptKey);
    if (sent === undefined) return;
    if (sent.done !== undefined) settle(sent, 'stored');
    this.#giveSoon(sent.task.pool);
  }

  heard(beat: RunnerBeat): void {
    let runner = this.#runners.get(beat.incarnation);
    if (runner === undefined) {
      runner = {
        id: beat.runnerId,
        incarnation: beat.incarnation,
        pool: beat.pools[0]?.pool ?? '',
        seen: 0,
        expiresMs: 0,
        pools: new Map(),
        held: new Set(),
        begun: new Map(),
        sent: new SlotMap(),
        pinged: false,
        suspected: false,
      };
      this.#suspectBefore(runner);
      this.#runners.set(beat.incarnation, runner);
      // It was given up, but it is alive.
      this.#away.delete(beat.incarnation);
      this.#lostRunners.lives(beat.incarnation);
      if (this.#lastEnds.get(runner.pool)?.incarnation === beat.incarnation) this.#lastEnds.delete(runner.pool);
    }
    const now = this.#parts.clock.elapsed();
    runner.seen = now;
    runner.expiresMs = Math.max(SHORTEST_EXPIRY_MS, beat.expiresMs);
    runner.pinged = false;
    runner.suspected = false;
    runner.held = new Set(beat.held);
    for (const key of beat.begun ?? []) runner.begun.set(key, now);
    for (const [key, at] of runner.begun) {
      if (beat.over === true || at < now - BEGINNING_MS) runner.begun.delete(key);
    }
    const lost: LostTask[] = [];
    for (const [key, sent] of runner.sent) {
      if (runner.held.has(key)) {
        if (sent.done !== undefined) settle(sent, 'stored');
      } else if (sent.done === undefined) {
        // It has dropped tasks that it confirmed but neither holds nor has reported.
        this.#take(runner, key);
        lost.push(this.#lostTask(runner.pool, key, sent.task.lostRunners));
      }
    }
    for (const { pool: name, free, open, slots } of beat.pools) {
      const pool = runner.pools.get(name) ?? { limit: 0, open: false, slots: 0, running: 0, sent: 0, batch: [] };
      runner.pools.set(name, pool);
      pool.open = open;
      pool.slots = slots;
      // Tasks in transit may be counted twice, so the limit is the number of slots.
      pool.limit = open ? Math.min(slots, free + pool.running) : 0;
    }
    for (const { pool } of beat.pools) this.#giveWaitingOf(pool);
    if (lost.length > 0) this.#listener(lost);
  }

  /** The connection was restored. Missed beats say nothing about the runners. */
  reconnected(): void {
    const now = this.#parts.clock.elapsed();
    for (const runner of this.#runners.values()) runner.seen = now;
  }

  /**
   * Joins a dispatch to an earlier one of the same attempt if a runner has it already. A first dispatch that waited for
   * its agent or its slot can come after a second one that was made because of the wait. One runner is enough, and both
   * dispatches get the same outcome.
   */
  #joins({ attemptKey }: OutgoingTask, done: (outcome: PublishOutcome) => void): boolean {
    if (this.#waiting.size > 0) {
      const waiting = this.#waiting.get(attemptKey);
      if (waiting !== undefined) {
        this.#joinWaiting(waiting, done);
        return true;
      }
    }
    const sent = this.#holders.get(attemptKey)?.sent.get(attemptKey);
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

  /** Joins a dispatch to one that waits here, in memory or on the shelf. Both get the same outcome. */
  #joinWaiting(waiting: WaitingTask | null, done: (outcome: PublishOutcome) => void): void {
    const before = waiting?.done;
    if (waiting === null || before === undefined) return queueMicrotask(() => done('put_aside'));
    waiting.done = (outcome) => {
      before(outcome);
      done(outcome);
    };
  }

  #give(runner: Runner, share: Share, task: OutgoingTask, done: (outcome: PublishOutcome) => void): void {
    this.#parts.counters.directDispatches += 1;
    const sent: Sent = { task, share, running: true, done };
    const pool = runner.pools.get(task.pool);
    if (pool !== undefined) {
      pool.batch.push(sent);
      pool.sent += 1;
      pool.running += 1;
    }
    runner.sent.set(task.attemptKey, sent);
    this.#holders.set(task.attemptKey, runner);
    if (this.#flushing.has(runner)) return;
    this.#flushing.add(runner);
    // After all tasks of the same commit.
    queueMicrotask(() => this.#flush(runner));
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
      const runner = this.#withRoom(pool.name);
      if (runner !== undefined) {
        if (pool.tenants > 1 && !pool.mayTake(share, this.#room(pool.name), this.#slots(pool.name))) return 'not_now';
        pool.fullSince = undefined;
        pool.begin(share);
        this.#give(runner, share, task, done);
        return 'given';
      }
      if (this.#isOpen(pool.name) && !this.#isCrowdedOut(pool)) return 'full';
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
    return now - pool.fullSince >= PATIENCE_MS && pool.running < Math.ceil(this.#slots(pool.name) * this.#part);
  }

  /** How many tasks of a pool this owner may have in the work queue and with the workers that take from it. */
  #mostQueued(pool: string): number {
    const slots = this.#slots(pool);
    const taken = this.#taken.get(pool) ?? 0;
    // Queued tasks keep others from going straight to runners, so there are no more than workers can run at once.
    const all = this.#parts.direct !== false && slots > 0 ? slots : Math.max(slots, taken) * AHEAD_SHARE + AHEAD;
    return Math.max(1, Math.ceil(all * this.#part));
  }

  #enqueue(pool: PoolQueue, share: Share, task: OutgoingTask, done: (outcome: PublishOutcome) => void): void {
    pool.begin(share);
    pool.queued += 1;
    const queued: Queued = { pool, share, since: this.#parts.clock.elapsed() };
    this.#queued.set(task.attemptKey, queued);
    this.#parts.enqueue(task, (outcome) => {
      if (outcome !== 'stored' && this.#queued.get(task.attemptKey) === queued) this.#leaveQueue(task.attemptKey);
      done(outcome);
    });
  }

  /** Removes an attempt that is over or not in the queue any more. Returns false when it was not known to be there. */
  #leaveQueue(attemptKey: string): boolean {
    const queued = this.#queued.take(attemptKey);
    if (queued === undefined) return false;
    queued.pool.queued -= 1;
    queued.pool.end(queued.share);
    this.#giveSoon(queued.pool.name);
    return true;
  }

  /** Keeps a task until its turn: in memory, or only its name. */
  #wait(
    pool: PoolQueue,
    share: Share,
    task: OutgoingTask,
    done: (outcome: PublishOutcome) => void,
    called: boolean,
  ): void {
    const { attemptKey, length, lostRunners, priority } = task;
    const { sizes = SIZES } = this.#parts;
    const fits =
      this.#waitingCount < sizes.tasks &&
      this.#waitingLength + length <= sizes.length &&
      share.waiting < sizes.tasks * SHARE_OF_SIZES &&
      share.length + length <= sizes.length * SHARE_OF_SIZES;
    if ((fits && (share.shelved === 0 || called)) || share.waiting < sizes.least) {
      const waiting: WaitingTask = { task, done, since: this.#parts.clock.elapsed() };
      pool.push(share, waiting);
      this.#waiting.set(attemptKey, waiting);
      this.#waitingCount += 1;
      this.#waitingLength += length;
      return;
    }
    if (this.#shelvedCount < sizes.shelved) {
      share.shelve(priority, { attemptKey, lostRunners });
      this.#waiting.set(attemptKey, null);
      this.#shelvedCount += 1;
    }
    queueMicrotask(() => done('put_aside'));
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
        this.#takeWaiting(pool, share);
        done?.('put_aside');
        continue;
      }
      // A shelved attempt may have ended since, so the runner must ask before it begins.
      const outcome =
        done === undefined
          ? this.#handOut(pool, share, mayHaveRun(task), () => undefined)
          : this.#handOut(pool, share, task, done);
      if (outcome === 'full') break;
      if (outcome === 'given') this.#takeWaiting(pool, share);
      else (passed ??= new Set()).add(share);
    }
    if (this.#shelvedCount > 0) for (const share of pool.shares) this.#unshelve(share);
  }

  #takeWaiting(pool: PoolQueue, share: Share): void {
    const waiting = pool.shift(share);
    if (waiting === undefined) return;
    this.#waiting.delete(waiting.task.attemptKey);
    this.#waitingCount -= 1;
    this.#waitingLength -= waiting.task.length;
  }

  /** Rebuilds shelved tasks whose turn comes near. */
  #unshelve(share: Share): void {
    // A rebuilt task may go back to the shelf at once. Without this check, it would be taken from there again and
    // again.
    if (this.#unshelving) return;
    const { mark } = this.#parts.sizes ?? SIZES;
    const lost: LostTask[] = [];
    while (share.waiting + share.called < mark) {
      const shelved = share.unshelve();
      if (shelved === undefined) break;
      const { attemptKey, lostRunners } = shelved;
      this.#shelvedCount -= 1;
      this.#waiting.delete(attemptKey);
      this.#called.set(attemptKey, { share, since: this.#parts.clock.elapsed() });
      share.called += 1;
      lost.push(lostTask(attemptKey, lostRunners));
    }
    if (lost.length === 0) return;
    this.#unshelving = true;
    try {
      this.#listener(lost);
    } finally {
      this.#unshelving = false;
    }
  }

  /** A task from the shelf has been dispatched again, or never will be. */
  #hasCome(attemptKey: string): boolean {
    const called = this.#called.get(attemptKey);
    if (called === undefined) return false;
    this.#called.delete(attemptKey);
    called.share.called -= 1;
    return true;
  }

  /** Whether a runner takes tasks of the pool, even if all its slots are taken now. */
  #isOpen(pool: string): boolean {
    for (const { pools } of this.#runners.values()) if (pools.get(pool)?.open === true) return true;
    return false;
  }

  /** Slots of all live runners of the pool. */
  #slots(pool: string): number {
    let slots = 0;
    for (const { pools } of this.#runners.values()) slots += pools.get(pool)?.slots ?? 0;
    return slots;
  }

  #room(pool: string): number {
    let room = 0;
    for (const { pools } of this.#runners.values()) {
      const own = pools.get(pool);
      if (own !== undefined) room += Math.max(0, roomOf(own));
    }
    return room;
  }

  /** The runner with the most free slots, or undefined. */
  #withRoom(pool: string): Runner | undefined {
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

  #take(runner: Runner, attemptKey: string): Sent | undefined {
    const sent = runner.sent.take(attemptKey);
    if (sent === undefined) return undefined;
    this.#holders.delete(attemptKey);
    const pool = runner.pools.get(sent.task.pool);
    if (pool !== undefined) pool.sent -= 1;
    this.#stop(runner, sent);
    return sent;
  }

  /** The task's slot is free. */
  #stop(runner: Runner, sent: Sent): void {
    if (!sent.running) return;
    sent.running = false;
    this.#pools.get(sent.task.pool)?.end(sent.share);
    const pool = runner.pools.get(sent.task.pool);
    if (pool !== undefined) pool.running -= 1;
  }

  #flush(runner: Runner): void {
    this.#flushing.delete(runner);
    for (const [name, { batch }] of runner.pools) {
      while (batch.length > 0) {
        let length = 0;
        let count = 0;
        for (const { task } of batch) {
          length += task.length;
          if (count > 0 && length > LARGEST_BATCH_LENGTH) break;
          count += 1;
        }
        this.#send(runner, name, batch.splice(0, count));
      }
    }
  }

  /** `repeat`: the runner may have received them already. */
  #send(runner: Runner, pool: string, batch: readonly Sent[], repeat = false): void {
    const tasks = new JsonMessage<DirectTasks>({ pool, tasks: batch.map(({ task }) => task.task) });
    this.#parts.ask(subjects.runnerTasks(pool, runner.incarnation), tasks, RECEIPT_MS, (answer) => {
      // The runner was lost meanwhile, together with its tasks.
      if (this.#runners.get(runner.incarnation) !== runner) return;
      const open = batch.filter((sent) => sent.done !== undefined);
      if (answer === 'timeout' || answer === 'lost') {
        // A repeat does no harm, and its answer shows which tasks the runner has.
        if (open.length > 0) this.#send(runner, pool, open, true);
        return;
      }
      if (answer === 'no_responders') {
        if (open.length === 0) return;
        // Its connection may be just reconnecting. Only its silence shows whether it is gone. Tasks that it may have
        // wait for that.
        if (repeat) this.#parts.clock.after(TICK_MS, () => this.#sendAgain(runner, pool, open));
        else this.#refused(runner, pool, open, false);
        return;
      }
      runner.seen = this.#parts.clock.elapsed();
      const receipt = receiptOf(answer.text);
      if (receipt === undefined) this.#parts.log.error({ worker_id: runner.id }, 'a runner’s receipt cannot be read');
      const { taken = 0, open: isOpen = false } = receipt ?? {};
      for (const [place, sent] of batch.entries()) {
        if (place < taken && sent.done !== undefined) settle(sent, 'stored');
      }
      const refused = batch.slice(taken).filter((sent) => sent.done !== undefined);
      if (refused.length > 0) this.#refused(runner, pool, refused, isOpen);
    });
  }

  #sendAgain(runner: Runner, pool: string, batch: readonly Sent[]): void {
    if (this.#runners.get(runner.incarnation) !== runner) return;
    const open = batch.filter((sent) => sent.done !== undefined);
    if (open.length > 0) this.#send(runner, pool, open, true);
  }

  #refused(runner: Runner, name: string, refused: readonly Sent[], isOpen: boolean): void {
    for (const { task } of refused) this.#take(runner, task.attemptKey);
    const pool = runner.pools.get(name);
    // Until its next beat reports its free slots.
    if (pool !== undefined) {
      pool.open = isOpen;
      pool.limit = isOpen ? Math.max(1, pool.running, Math.floor(pool.limit / 2)) : 0;
    }
    for (const sent of refused) {
      const { task, done } = sent;
      sent.done = undefined;
      if (done === undefined) continue;
      this.dispatch(task, done);
    }
  }

  /**
   * Handles a lost runner. `ended`: its process is gone. A runner that is only silent may be alive, so its tasks did
   * not end it.
   */
  #lost(runner: Runner, reason: string, ended: boolean): void {
    this.#runners.delete(runner.incarnation);
    const now = this.#parts.clock.elapsed();
    if (ended) this.#ended(runner);
    else this.#away.set(runner.incarnation, { runner: withAll(runner), since: now, asked: now });
    for (const { batch } of runner.pools.values()) batch.length = 0;
    const lost: LostTask[] = [];
    const unsettled: Sent[] = [];
    for (const [key, sent] of runner.sent) {
      this.#holders.delete(key);
      this.#stop(runner, sent);
      if (sent.done === undefined) lost.push(this.#lostTask(runner.pool, key, sent.task.lostRunners));
      else unsettled.push(sent);
    }
    // Tasks sent by other owners: the current owners of their partitions handle them.
    for (const key of runner.held) {
      if (!runner.sent.has(key)) lost.push({ ...this.#lostTask(runner.pool, key, 0), pools: [...runner.pools.keys()] });
    }
    runner.sent.clear();
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
    for (const runner of this.#runners.values()) {
      const silent = now - runner.seen;
      if (silent > runner.expiresMs * STILL_SHARE) {
        this.#lost(runner, `no sign of life for ${Math.round(silent)} ms`, false);
        continue;
      }
      // It gets no more tasks until it is heard again.
      if (silent > runner.expiresMs) for (const pool of runner.pools.values()) close(pool);
      if (silent > runner.expiresMs * SILENT_SHARE && !runner.pinged) this.#ping(runner);
    }
    this.#askForThoseAway(now);
    this.#seeToWaiting(now);
    this.#cancel = clock.after(TICK_MS, () => this.#tick());
  }

  /** Handles events that neither results nor beats report: elapsed time, and attempts that ended without a result. */
  #seeToWaiting(now: number): void {
    if (now >= this.#periodEnds) {
      this.#periodEnds = now + PERIOD_MS;
      for (const pool of this.#pools.values()) {
        pool.rotate();
        for (const share of pool.shares) {
          for (const waiting of share.waitingSince(now - KEPT_OPEN_MS)) {
            const { done } = waiting;
            waiting.done = undefined;
            done?.('put_aside');
          }
        }
        if (pool.tenants === 0 && pool.queued === 0) this.#pools.delete(pool.name);
      }
      for (const [id, tenant] of this.#tenants) if (tenant.shares === 0) this.#tenants.delete(id);
      for (const [key, { since }] of this.#called) {
        if (since > now - CALLED_MS) break;
        this.#hasCome(key);
      }
    }
    this.#doubt(now);
    const look = now >= this.#nextLook;
    if (look) this.#nextLook = now + LOOK_MS;
    for (const pool of this.#pools.values()) {
      if (pool.waiting === 0) {
        this.#taken.delete(pool.name);
        continue;
      }
      for (const share of pool.shares) this.#unshelve(share);
      this.#giveWaiting(pool);
      if (look && (this.#parts.direct === false || !this.#isOpen(pool.name))) void this.#look(pool);
    }
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
    const doubted: [string, Queued][] = [];
    for (const entry of this.#queued) {
      // Checked entries are at the end.
      if (entry[1].since > now - DOUBTED_MS || doubted.length >= MOST_DOUBTED) break;
      doubted.push(entry);
    }
    for (const [key, queued] of doubted) {
      queued.since = now;
      this.#queued.take(key);
      this.#queued.set(key, queued);
      this.#isWanted(key, (wanted) => {
        if (!wanted && this.#queued.get(key) === queued) this.#leaveQueue(key);
      });
    }
  }

  #askForThoseAway(now: number): void {
    for (const [incarnation, away] of this.#away) {
      if (now - away.since > AWAY_MS) {
        this.#away.delete(incarnation);
        this.#ended(away.runner);
        continue;
      }
      if (now - away.asked < RECEIPT_MS) continue;
      away.asked = now;
      this.#isThere(away.runner, (answer) => {
        if (answer !== 'no_responders' || this.#away.get(incarnation) !== away) return;
        this.#away.delete(incarnation);
        this.#ended(away.runner);
      });
    }
  }

  /** Counts the end of a runner for every task that it ran. */
  #ended({ pool, incarnation, sent, held, begun }: Runner): void {
    const run = { pool, incarnation };
    this.#lastEnds.set(pool, { ...run, at: this.#parts.clock.elapsed() });
    for (const key of begun.keys()) this.#lostRunners.ended(key, run);
    const has = (key: string): void => {
      // A task that must run alone only waited there, unless it was reported as begun.
      if (this.#lostRunners.count(key, pool) < ALONE_AT) this.#lostRunners.ended(key, run);
    };
    for (const key of held) has(key);
    for (const [key, { done }] of sent) if (done === undefined) has(key);
  }

  #lostTask(pool: string, attemptKey: string, known: number): LostTask {
    return lostTask(attemptKey, Math.max(known, this.#lostRunners.count(attemptKey, pool)));
  }

  #isThere(runner: Runner, settle: (answer: RunnerAnswer) => void): void {
    const { pool } = runner;
    const nothing = new JsonMessage<DirectTasks>({ pool, tasks: [] });
    this.#parts.ask(subjects.runnerTasks(pool, runner.incarnation), nothing, RECEIPT_MS, settle);
  }

  /** A new runner may be the restart of one that ended, so silent runners are asked now. */
  #suspectBefore(newcomer: Runner): void {
    const before = this.#parts.clock.elapsed() - QUICKEST_START_MS;
    for (const runner of this.#runners.values()) {
      if (runner.seen > before || runner.pinged || runner.suspected) continue;
      runner.suspected = true;
      this.#ping(runner, runner.id === newcomer.id);
    }
  }

  /**
   * Asks a runner for a sign of life. If it is late, or a runner of the same name has replaced it, it may be gone, and
   * then nobody is subscribed for its tasks. Otherwise it may have lost its connection for a moment, and is asked
   * twice.
   */
  #ping(runner: Runner, sure = true): void {
    runner.pinged = true;
    const { seen } = runner;
    this.#isThere(runner, (answer) => {
      if (this.#runners.get(runner.incarnation) !== runner) return;
      if (answer === 'no_responders' && !sure) {
        this.#parts.clock.after(TICK_MS, () => {
          if (this.#runners.get(runner.incarnation) !== runner) return;
          if (runner.seen === seen) this.#ping(runner);
          else runner.pinged = false;
        });
        return;
      }
      runner.pinged = false;
      if (answer === 'no_responders') this.#lost(runner, 'it is not connected', true);
    });
  }
}

function settle(sent: Sent, outcome: PublishOutcome): void {
  const { done } = sent;
  sent.done = undefined;
  done?.(outcome);
}

const roomOf = ({ limit, running, sent }: RunnerPool): number => Math.min(limit - running, limit * HELD_SHARE - sent);

function close(pool: RunnerPool): void {
  pool.limit = 0;
  pool.open = false;
  pool.slots = 0;
}

function lostTask(attemptKey: string, lostRunners: number): LostTask {
  const [executionId = '', stepId = '', attempt = ''] = attemptKey.split('/');
  return { executionId, stepId, attempt: Number(attempt), lostRunners };
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

/** A copy of the runner with all its tasks, which are removed from the original. */
function withAll(runner: Runner): Runner {
  const sent = new SlotMap<string, Sent>();
  for (const [key, one] of runner.sent) sent.set(key, one);
  return { ...runner, sent, held: new Set(runner.held), begun: new Map(runner.begun) };
}

function receiptOf(text: string): Partial<DirectReceipt> | undefined {
  try {
    const receipt = JSON.parse(text) as Partial<DirectReceipt>;
    return Number.isInteger(receipt.taken ?? 0) ? receipt : undefined;
  } catch {
    return undefined;
  }
}

import { SlotMap } from '@batuta/collections';
import { subjects } from '@batuta/contracts';
import type { DirectReceipt, DirectTasks, RunnerBeat } from '@batuta/contracts';
import { JsonMessage } from '@batuta/messaging';
import type { EngineCounters } from './counters.js';
import { ALONE_AT, LostRunners } from './lost-runners.js';
import type { PoolRun } from './lost-runners.js';
import type { Beginning, Clock, EngineLog, LostTask, OutgoingTask, PublishOutcome, Runs } from './ports.js';

/** What became of a request to a runner: its answer's text, or why there is none. */
export type RunnerAnswer = { readonly text: string } | 'timeout' | 'no_responders' | 'lost';

export interface DirectDispatchParts {
  readonly clock: Clock;
  readonly log: Pick<EngineLog, 'info' | 'warn' | 'error'>;
  readonly counters: Pick<EngineCounters, 'directDispatches' | 'lostRunners'>;
  /** Asks a runner; `settle` is called once, later, after at most `timeoutMs`. */
  readonly ask: (
    subject: string,
    tasks: JsonMessage<DirectTasks>,
    timeoutMs: number,
    settle: (answer: RunnerAnswer) => void,
  ) => void;
  /** Puts a task in the work queue instead. */
  readonly enqueue: (task: OutgoingTask, done: (outcome: PublishOutcome) => void) => void;
}

/** A task on its way to a runner or held by one. */
interface Sent {
  readonly task: OutgoingTask;
  /** Its result has not come in. */
  running: boolean;
  /** Undefined once the runner has said that it has the task, or its result was answered. */
  done: ((outcome: PublishOutcome) => void) | undefined;
}

interface RunnerPool {
  /** Tasks of this owner that it may run. */
  limit: number;
  /** Sent by this owner without a result so far, and without an answer to it so far. */
  running: number;
  sent: number;
  /** To be sent in this turn. */
  readonly batch: Sent[];
}

/** A task that waits for a slot: the agents of a pool may be so quick that one is free at once. */
interface Waiting {
  readonly task: OutgoingTask;
  readonly done: (outcome: PublishOutcome) => void;
  /** Running time. */
  readonly since: number;
}

interface Runner {
  readonly id: string;
  readonly incarnation: string;
  /** The pool that it serves; each of a process has beats of its own. */
  readonly pool: string;
  /** Running time of its last sign of life. */
  seen: number;
  expiresMs: number;
  readonly pools: Map<string, RunnerPool>;
  /** What it said it holds, whoever sent it, less what was answered since. */
  held: Set<string>;
  /** What it has begun to run from the work queue, or after it had asked; with the running time of the newest word of it. */
  readonly begun: Map<string, number>;
  readonly sent: SlotMap<string, Sent>;
  pinged: boolean;
  /** Since it was heard last a runner has appeared, and so it was asked whether it is there. */
  suspected: boolean;
}

/** Larger tasks go to the work queue. */
const LARGEST_TASK_LENGTH = 256 * 1024;
const LARGEST_BATCH_LENGTH = 1024 * 1024;
const TICK_MS = 250;
/**
 * What got no slot within two looks goes to the work queue, where other runners find it and its length can be seen; unless
 * slots come free so fast that all who wait will have one within three seconds. One look is not enough to judge by: thousands of
 * tasks come with a commit, and this process is busy with them at first.
 */
const WAIT_MS = 100;
const PATIENCE_MS = 2 * WAIT_MS;
const FAST_ENOUGH_MS = 3_000;
const MOST_WAITING = 20_000;
const MOST_WAITING_LENGTH = 32 * 1024 * 1024;
const RECEIPT_MS = 1_000;
/** The share of its expiry that a runner may be silent before it is asked whether it is there. */
const SILENT_SHARE = 0.45;
/**
 * Times its expiry that a runner may be silent before its tasks go to others, as long as its connection is there. The server
 * sees at once that a process has ended; one that only stands still goes on where it was.
 */
const STILL_SHARE = 6;
/** A runner that was given up without word of its end may end later: for so long it is asked for. Then it counts as ended. */
const AWAY_MS = 120_000;
/** What a runner was allowed to begin is in its beats after so long, or it has let it go. */
const BEGINNING_MS = 2_000;
/** For so long an end of a runner may be why the queue hands a task out again of which no beat said who had it. */
const ENDED_LATELY_MS = 60_000;
const SHORTEST_EXPIRY_MS = 50;
/** No process starts anew in less: what was heard since is none that the new runner replaces. */
const QUICKEST_START_MS = 100;
/** Beyond those that run, results may wait for their commits; a runner holds at most twice its slots. */
const HELD_SHARE = 1.5;

/**
 * Gives tasks straight to runners that have free slots, past the work queue: two messages for all tasks of a commit instead of
 * four for each. Nothing here is remembered beyond the process, because nothing needs to be: a runner's beats say what it
 * holds, to this owner and to every other. What no beat mentions any more, or was held by a runner that is silent, is
 * dispatched again, and the audit finds what was lost together with its owner (ADR 0012).
 */
export class DirectDispatch {
  readonly #runners = new Map<string, Runner>();
  /** Runners that were given up because they were silent, and what they had. */
  readonly #away = new Map<string, { readonly runner: Runner; readonly since: number; asked: number }>();
  readonly #lostRunners = new LostRunners();
  /** The run that ended last, as far as is known, by pool. */
  readonly #lastEnds = new Map<string, PoolRun & { readonly at: number }>();
  /** The runner of each attempt that this owner sent and whose result has not been answered. */
  readonly #holders = new Map<string, Runner>();
  #listener: (lost: readonly LostTask[]) => void = () => undefined;
  #cancel: () => void;
  #lastTick: number;
  readonly #flushing = new Set<Runner>();
  /** By pool, in the order of coming. */
  readonly #waiting = new Map<string, Waiting[]>();
  #waitingCount = 0;
  #waitingLength = 0;
  #cancelWait: (() => void) | undefined;
  /** Results since waiting was last looked at, by pool with waiting tasks. */
  readonly #progress = new Map<string, number>();
  readonly #givingSoon = new Set<string>();

  constructor(private readonly parts: DirectDispatchParts) {
    this.#lastTick = parts.clock.elapsed();
    this.#cancel = parts.clock.after(TICK_MS, () => this.#tick());
  }

  close(): void {
    this.#cancel();
    this.#cancelWait?.();
    this.#waiting.clear();
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

  /** Whether a runner that is alive holds the attempt; with `pool`: one of that pool, which is what a beat is believed for. */
  holds(attemptKey: string, pool?: string): boolean {
    if (this.#holders.has(attemptKey)) return true;
    for (const runner of this.#runners.values()) {
      if ((pool === undefined || runner.pools.has(pool)) && runner.held.has(attemptKey)) return true;
    }
    return false;
  }

  /**
   * A runner is about to begin with what somebody else may have, or have had. When nobody of its pool has it, it counts as
   * begun there from now on; not where it has to run alone and would not.
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
    const now = this.parts.clock.elapsed();
    if (redelivered && this.#lostRunners.count(attemptKey, pool) === 0) {
      // Who had it for so short a time that no beat named it: one that stands still, or ended.
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

  /** Takes a task for a runner with a free slot; false when none is to be expected. `done` is called once, later. */
  offer(task: OutgoingTask, done: (outcome: PublishOutcome) => void): boolean {
    if (task.length > LARGEST_TASK_LENGTH) return false;
    if (this.#joins(task, done)) return true;
    const waiting = this.#waiting.get(task.pool);
    if (waiting === undefined) {
      const runner = this.#withRoom(task.pool);
      if (runner !== undefined) {
        this.#give(runner, task, done);
        return true;
      }
      if (!this.#isOpen(task.pool)) return false;
    }
    const full = this.#waitingCount >= MOST_WAITING || this.#waitingLength + task.length > MOST_WAITING_LENGTH;
    if (full) return false;
    const one: Waiting = { task, done, since: this.parts.clock.elapsed() };
    if (waiting === undefined) this.#waiting.set(task.pool, [one]);
    else waiting.push(one);
    this.#waitingCount += 1;
    this.#waitingLength += task.length;
    this.#cancelWait ??= this.#lookLater();
    return true;
  }

  /** The attempt's result has come in: its slot is free. */
  reported(attemptKey: string): void {
    const runner = this.#holders.get(attemptKey);
    const sent = runner?.sent.get(attemptKey);
    if (runner === undefined || sent?.running !== true) return;
    sent.running = false;
    const pool = runner.pools.get(sent.task.pool);
    if (pool !== undefined) pool.running -= 1;
    this.#giveWaiting(sent.task.pool);
  }

  /** The attempt's result was answered. */
  answered(attemptKey: string): void {
    this.#lostRunners.over(attemptKey);
    const runner = this.#holders.get(attemptKey);
    if (runner === undefined) {
      // Sent by an owner before this one, or lost since: the last beat of whichever runner has it may still name it.
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
    const { pool } = sent.task;
    if (!this.#waiting.has(pool)) return;
    this.#progress.set(pool, (this.#progress.get(pool) ?? 0) + 1);
    if (this.#givingSoon.has(pool)) return;
    this.#givingSoon.add(pool);
    // Not in this turn: the answer is on its way, and the runner has the room only when it has heard it.
    this.parts.clock.soon(() => {
      this.#givingSoon.delete(pool);
      this.#giveWaiting(pool);
    });
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
      // It was given up, and lives.
      this.#away.delete(beat.incarnation);
      this.#lostRunners.lives(beat.incarnation);
      if (this.#lastEnds.get(runner.pool)?.incarnation === beat.incarnation) this.#lastEnds.delete(runner.pool);
    }
    const now = this.parts.clock.elapsed();
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
        // What it has said to have, and neither holds nor has reported, it has given up.
        this.#take(runner, key);
        lost.push(this.#lostTask(runner.pool, key, sent.task.lostRunners));
      }
    }
    for (const { pool: name, free, open, slots } of beat.pools) {
      const pool = runner.pools.get(name) ?? { limit: 0, running: 0, sent: 0, batch: [] };
      runner.pools.set(name, pool);
      // What is on its way is counted twice: there are no more slots than there are.
      pool.limit = open ? Math.min(slots, free + pool.running) : 0;
    }
    for (const { pool } of beat.pools) this.#giveWaiting(pool);
    if (lost.length > 0) this.#listener(lost);
  }

  /** The connection was renewed: beats were missed meanwhile, which says nothing about the runners. */
  reconnected(): void {
    const now = this.parts.clock.elapsed();
    for (const runner of this.#runners.values()) runner.seen = now;
  }

  /**
   * Whether this owner has given the attempt to a runner already: a first dispatch that had to wait for its agent or its slot
   * can come after one that was made because of it. One runner is enough, and both dispatches come to the same.
   */
  #joins({ attemptKey }: OutgoingTask, done: (outcome: PublishOutcome) => void): boolean {
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

  #give(runner: Runner, task: OutgoingTask, done: (outcome: PublishOutcome) => void): void {
    if (this.#joins(task, done)) return;
    this.parts.counters.directDispatches += 1;
    const sent: Sent = { task, running: true, done };
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
    // After everything that one commit asks for.
    queueMicrotask(() => this.#flush(runner));
  }

  #giveWaiting(pool: string): void {
    const waiting = this.#waiting.get(pool);
    if (waiting === undefined) return;
    let given = 0;
    for (const { task, done } of waiting) {
      const runner = this.#withRoom(pool);
      if (runner === undefined) break;
      given += 1;
      this.#waitingLength -= task.length;
      this.#give(runner, task, done);
    }
    if (given > 0) this.#leave(pool, waiting, given);
  }

  #lookLater(): () => void {
    const { clock } = this.parts;
    // A busy process may not have read yet which slots came free.
    return clock.after(WAIT_MS, () => clock.soon(() => this.#endWaiting()));
  }

  /** Those that have waited too long go to the work queue, and with them all of a pool that has no open runner. */
  #endWaiting(): void {
    this.#cancelWait = undefined;
    const before = this.parts.clock.elapsed() - PATIENCE_MS;
    for (const pool of this.#waiting.keys()) this.#giveWaiting(pool);
    for (const [pool, waiting] of this.#waiting) {
      const ended = this.#progress.get(pool) ?? 0;
      this.#progress.delete(pool);
      const open = this.#isOpen(pool);
      if (open && ended * (FAST_ENOUGH_MS / WAIT_MS) >= waiting.length) continue;
      const young = open ? waiting.findIndex(({ since }) => since > before) : -1;
      const count = young === -1 ? waiting.length : young;
      for (const { task, done } of waiting.slice(0, count)) {
        this.#waitingLength -= task.length;
        this.parts.enqueue(task, done);
      }
      this.#leave(pool, waiting, count);
    }
    if (this.#waiting.size > 0) this.#cancelWait = this.#lookLater();
  }

  #leave(pool: string, waiting: Waiting[], count: number): void {
    waiting.splice(0, count);
    this.#waitingCount -= count;
    if (waiting.length === 0) this.#waiting.delete(pool);
  }

  /** Whether a runner takes tasks of the pool, be it that all its slots are taken just now. */
  #isOpen(pool: string): boolean {
    for (const { pools } of this.#runners.values()) {
      if ((pools.get(pool)?.limit ?? 0) > 0) return true;
    }
    return false;
  }

  /** The runner with the most room; undefined when none has any. */
  #withRoom(pool: string): Runner | undefined {
    let best: Runner | undefined;
    let most = 0;
    for (const runner of this.#runners.values()) {
      const own = runner.pools.get(pool);
      if (own === undefined) continue;
      const room = Math.min(own.limit - own.running, own.limit * HELD_SHARE - own.sent);
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
    if (pool === undefined) return sent;
    pool.sent -= 1;
    if (sent.running) pool.running -= 1;
    sent.running = false;
    return sent;
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

  /** `repeat`: the runner may have them already. */
  #send(runner: Runner, pool: string, batch: readonly Sent[], repeat = false): void {
    const tasks = new JsonMessage<DirectTasks>({ pool, tasks: batch.map(({ task }) => task.task) });
    this.parts.ask(subjects.runnerTasks(pool, runner.incarnation), tasks, RECEIPT_MS, (answer) => {
      // Lost as a whole meanwhile, and with it all that was sent to it.
      if (this.#runners.get(runner.incarnation) !== runner) return;
      const open = batch.filter((sent) => sent.done !== undefined);
      if (answer === 'timeout' || answer === 'lost') {
        // A repeat is harmless for it, and is what tells.
        if (open.length > 0) this.#send(runner, pool, open, true);
        return;
      }
      if (answer === 'no_responders') {
        if (open.length === 0) return;
        // Its connection may be renewed just now: whether it is gone is for its silence to say. What it may have waits for that.
        if (repeat) this.parts.clock.after(TICK_MS, () => this.#sendAgain(runner, pool, open));
        else this.#refused(runner, pool, open, false);
        return;
      }
      runner.seen = this.parts.clock.elapsed();
      const receipt = receiptOf(answer.text);
      if (receipt === undefined) this.parts.log.error({ worker_id: runner.id }, 'a runner’s receipt cannot be read');
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
    // Until its next beat tells how much room there is.
    if (pool !== undefined) pool.limit = isOpen ? Math.max(1, pool.running, Math.floor(pool.limit / 2)) : 0;
    for (const sent of refused) {
      const { task, done } = sent;
      sent.done = undefined;
      if (done === undefined) continue;
      if (!isOpen || !this.offer(task, done)) this.parts.enqueue(task, done);
    }
  }

  /** `ended`: its process is gone. One that is only silent may live, and what it runs has done it no harm. */
  #lost(runner: Runner, reason: string, ended: boolean): void {
    this.#runners.delete(runner.incarnation);
    const now = this.parts.clock.elapsed();
    if (ended) this.#ended(runner);
    else this.#away.set(runner.incarnation, { runner: withAll(runner), since: now, asked: now });
    for (const { batch } of runner.pools.values()) batch.length = 0;
    const lost: LostTask[] = [];
    const unsettled: Sent[] = [];
    for (const [key, sent] of runner.sent) {
      this.#holders.delete(key);
      if (sent.done === undefined) lost.push(this.#lostTask(runner.pool, key, sent.task.lostRunners));
      else unsettled.push(sent);
    }
    // Sent by owners before this one: whoever owns their partitions now sees to them.
    for (const key of runner.held) {
      if (!runner.sent.has(key)) lost.push({ ...this.#lostTask(runner.pool, key, 0), pools: [...runner.pools.keys()] });
    }
    runner.sent.clear();
    const fields = { worker_id: runner.id, count: lost.length + unsettled.length, reason };
    if (fields.count > 0) this.parts.counters.lostRunners += 1;
    if (fields.count > 0) this.parts.log.warn(fields, 'a runner is gone, its tasks are dispatched again');
    else this.parts.log.info(fields, 'a runner is gone');
    for (const sent of unsettled) {
      const { task, done } = sent;
      sent.done = undefined;
      if (done !== undefined) this.parts.enqueue(ended ? mayHaveRun(task) : task, done);
    }
    if (lost.length > 0) this.#listener(lost);
  }

  #tick(): void {
    const { clock } = this.parts;
    const now = clock.elapsed();
    // This process stood still: the beats that came meanwhile have not been read yet.
    if (now - this.#lastTick > 2 * TICK_MS) this.reconnected();
    this.#lastTick = now;
    for (const runner of this.#runners.values()) {
      const silent = now - runner.seen;
      if (silent > runner.expiresMs * STILL_SHARE) {
        this.#lost(runner, `no sign of life for ${Math.round(silent)} ms`, false);
        continue;
      }
      // It takes nothing more until it is heard.
      if (silent > runner.expiresMs) for (const pool of runner.pools.values()) pool.limit = 0;
      if (silent > runner.expiresMs * SILENT_SHARE && !runner.pinged) this.#ping(runner);
    }
    this.#askForThoseAway(now);
    this.#cancel = clock.after(TICK_MS, () => this.#tick());
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

  /** Counts the end of a runner for all that it ran. */
  #ended({ pool, incarnation, sent, held, begun }: Runner): void {
    const run = { pool, incarnation };
    this.#lastEnds.set(pool, { ...run, at: this.parts.clock.elapsed() });
    for (const key of begun.keys()) this.#lostRunners.ended(key, run);
    const has = (key: string): void => {
      // What has to run alone only waited there, unless it was said to begin.
      if (this.#lostRunners.count(key, pool) < ALONE_AT) this.#lostRunners.ended(key, run);
    };
    for (const key of held) has(key);
    for (const [key, { done }] of sent) if (done === undefined) has(key);
  }

  #lostTask(pool: string, attemptKey: string, known: number): LostTask {
    const [executionId = '', stepId = '', attempt = ''] = attemptKey.split('/');
    const lostRunners = Math.max(known, this.#lostRunners.count(attemptKey, pool));
    return { executionId, stepId, attempt: Number(attempt), lostRunners };
  }

  #isThere(runner: Runner, settle: (answer: RunnerAnswer) => void): void {
    const { pool } = runner;
    const nothing = new JsonMessage<DirectTasks>({ pool, tasks: [] });
    this.parts.ask(subjects.runnerTasks(pool, runner.incarnation), nothing, RECEIPT_MS, settle);
  }

  /** A runner that appears may be one that ended and was started again: those that are silent are asked now. */
  #suspectBefore(newcomer: Runner): void {
    const before = this.parts.clock.elapsed() - QUICKEST_START_MS;
    for (const runner of this.#runners.values()) {
      if (runner.seen > before || runner.pinged || runner.suspected) continue;
      runner.suspected = true;
      this.#ping(runner, runner.id === newcomer.id);
    }
  }

  /**
   * A runner that is late, or that another of its name has replaced, may be gone: then nobody listens where it took its tasks.
   * One that is neither may have lost its connection for a moment, and is asked twice.
   */
  #ping(runner: Runner, sure = true): void {
    runner.pinged = true;
    const { seen } = runner;
    this.#isThere(runner, (answer) => {
      if (this.#runners.get(runner.incarnation) !== runner) return;
      if (answer === 'no_responders' && !sure) {
        this.parts.clock.after(TICK_MS, () => {
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

/** A task that a runner may have begun before it could say that it has it. */
function mayHaveRun({ pool, attemptKey, lostRunners, subject, messageId, task, length }: OutgoingTask): OutgoingTask {
  return {
    pool,
    attemptKey,
    again: true,
    lostRunners,
    subject,
    messageId,
    task: { ...task, checkFirst: true },
    length,
  };
}

/** The runner with all that it has now, which is taken from it. */
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

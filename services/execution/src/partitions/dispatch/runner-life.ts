import { SlotMap } from '@batuta/collections';
import { subjects } from '@batuta/contracts';
import type { DirectTasks } from '@batuta/contracts';
import { JsonMessage } from '@batuta/messaging';
import { ALONE_AT, LostRunners } from './lost-runners.js';
import type { PoolRun } from './lost-runners.js';
import type { Beginning, Clock, Runs } from '../ports/ports.js';
import type { Runner, RunnerPool, RunnerTable, Sent } from './runner-table.js';
import { RECEIPT_MS, RETRY_MS } from './task-sender.js';
import type { AskRunner, RunnerAnswer } from './task-sender.js';

interface RunnerLifeParts {
  readonly clock: Clock;
  readonly ask: AskRunner;
  readonly table: RunnerTable;
  /**
   * A runner is lost. `ended`: its process is gone. A runner that is only silent may be alive, so its tasks did not end
   * it.
   */
  readonly lost: (runner: Runner, reason: string, ended: boolean) => void;
}

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
/** For this long, a runner's end may explain why the queue delivers a task again that no beat has named. */
const ENDED_LATELY_MS = 60_000;
/** No process restarts this fast, so a runner heard within this time was not replaced. */
const QUICKEST_START_MS = 100;

/**
 * Which runners live, which only gave no sign of life, and which ended, with which tasks. A silent runner is asked,
 * since nobody is subscribed for the tasks of one that has ended.
 */
export class RunnerLives {
  readonly #parts: RunnerLifeParts;
  /** Runners that were given up because they were silent, and the tasks that they had. */
  readonly #away = new Map<string, { readonly runner: Runner; readonly since: number; asked: number }>();
  readonly #lostRunners = new LostRunners();
  /** The latest known end of a run, by pool. */
  readonly #lastEnds = new Map<string, PoolRun & { readonly at: number }>();

  constructor(parts: RunnerLifeParts) {
    this.#parts = parts;
  }

  clear(): void {
    this.#away.clear();
  }

  /** A runner is heard for the first time, or again after it was given up. */
  appeared(runner: Runner): void {
    this.#suspectBefore(runner);
    this.#away.delete(runner.incarnation);
    this.#lostRunners.lives(runner.incarnation);
    if (this.#lastEnds.get(runner.pool)?.incarnation === runner.incarnation) this.#lastEnds.delete(runner.pool);
  }

  /** The runner is lost. While it may be alive, it is asked. */
  lost(runner: Runner, ended: boolean): void {
    const now = this.#parts.clock.elapsed();
    if (ended) this.#ended(runner);
    else this.#away.set(runner.incarnation, { runner: withAll(runner), since: now, asked: now });
  }

  /** The attempt has its outcome. */
  over(attemptKey: string): void {
    this.#lostRunners.over(attemptKey);
  }

  /** How many runs of the pool ended while they ran the attempt. */
  endedWith(attemptKey: string, pool: string): number {
    return this.#lostRunners.count(attemptKey, pool);
  }

  /**
   * A runner wants to begin a task that another runner may have, or may have had. If no runner of its pool has it, the
   * task counts as begun there from now on. It does not if the task must run alone and would not.
   */
  begins({ attemptKey, incarnation, redelivered, alone }: Beginning): Runs {
    const { table, clock } = this.#parts;
    const own = table.get(incarnation);
    const pool = own?.pool ?? '';
    for (const runner of table.all) {
      if (runner === own) continue;
      const said = runner.pool === pool && (runner.held.has(attemptKey) || runner.begun.has(attemptKey));
      if (said || runner.sent.has(attemptKey)) {
        return { held: true, lostRunners: this.#lostRunners.count(attemptKey, pool) };
      }
    }
    const now = clock.elapsed();
    if (redelivered && this.#lostRunners.count(attemptKey, pool) === 0) {
      // A runner may have had it so briefly that no beat named it, and then stalled or ended.
      for (const runner of table.all) {
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

  /** Looks for runners that have been silent for too long. */
  tick(now: number): void {
    for (const runner of this.#parts.table.all) {
      const silent = now - runner.seen;
      if (silent > runner.expiresMs * STILL_SHARE) {
        this.#parts.lost(runner, `no sign of life for ${Math.round(silent)} ms`, false);
        continue;
      }
      // It gets no more tasks until it is heard again.
      if (silent > runner.expiresMs) for (const pool of runner.pools.values()) close(pool);
      if (silent > runner.expiresMs * SILENT_SHARE && !isAsked(runner)) this.#ping(runner);
    }
    this.#askForThoseAway(now);
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

  #isThere({ pool, incarnation }: Runner, settle: (answer: RunnerAnswer) => void): void {
    const nothing = new JsonMessage<DirectTasks>({ pool, tasks: [] });
    this.#parts.ask(subjects.runnerTasks(pool, incarnation), nothing, RECEIPT_MS, settle);
  }

  /** A new runner may be the restart of one that ended, so silent runners are asked now. */
  #suspectBefore(newcomer: Runner): void {
    const before = this.#parts.clock.elapsed() - QUICKEST_START_MS;
    for (const runner of this.#parts.table.all) {
      if (runner.seen > before || runner.life !== 'heard') continue;
      runner.life = 'suspected';
      this.#ping(runner, runner.id === newcomer.id);
    }
  }

  /**
   * Asks a runner for a sign of life. If it is late, or a runner of the same name has replaced it, it may be gone, and
   * then nobody is subscribed for its tasks. Otherwise it may have lost its connection for a moment, and is asked
   * twice.
   */
  #ping(runner: Runner, sure = true): void {
    const { table, clock, lost } = this.#parts;
    runner.life = ASKED[runner.life];
    const { seen } = runner;
    this.#isThere(runner, (answer) => {
      if (!table.has(runner)) return;
      if (answer === 'no_responders' && !sure) {
        clock.after(RETRY_MS, () => {
          if (!table.has(runner)) return;
          if (runner.seen === seen) this.#ping(runner);
          else runner.life = ANSWERED[runner.life];
        });
        return;
      }
      runner.life = ANSWERED[runner.life];
      if (answer === 'no_responders') lost(runner, 'it is not connected', true);
    });
  }
}

const ASKED: Readonly<Record<Runner['life'], Runner['life']>> = {
  heard: 'asked',
  asked: 'asked',
  cleared: 'suspected',
  suspected: 'suspected',
};
/** A beat may come before the answer, and then nothing is asked any more. */
const ANSWERED: Readonly<Record<Runner['life'], Runner['life']>> = {
  heard: 'heard',
  asked: 'heard',
  suspected: 'cleared',
  cleared: 'cleared',
};

const isAsked = ({ life }: Runner): boolean => life === 'asked' || life === 'suspected';

function close(pool: RunnerPool): void {
  pool.limit = 0;
  pool.open = false;
  pool.slots = 0;
}

/** A copy of the runner with all its tasks, which are removed from the original. */
function withAll(runner: Runner): Runner {
  const sent = new SlotMap<string, Sent>();
  for (const [key, one] of runner.sent) sent.set(key, one);
  return { ...runner, sent, held: new Set(runner.held), begun: new Map(runner.begun) };
}

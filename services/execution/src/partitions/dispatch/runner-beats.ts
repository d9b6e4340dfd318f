import { SlotMap } from '@batuta/collections';
import type { RunnerBeat } from '@batuta/contracts';
import type { Clock } from '../ports/ports.js';
import type { RunnerLives } from './runner-life.js';
import { settleSent } from './runner-table.js';
import type { Runner, RunnerTable, Sent } from './runner-table.js';

/** A runner that was allowed to begin a task reports it within this time, or has dropped it. */
const BEGINNING_MS = 2_000;
const SHORTEST_EXPIRY_MS = 50;

/** Notes what runners say in their beats: the tasks that they hold, and the room that they have. */
export class RunnerBeats {
  readonly #clock: Clock;
  readonly #table: RunnerTable;
  readonly #lives: RunnerLives;

  constructor(clock: Clock, table: RunnerTable, lives: RunnerLives) {
    this.#clock = clock;
    this.#table = table;
    this.#lives = lives;
  }

  /** Returns the tasks that the runner has dropped: it confirmed them, but neither holds nor has reported them. */
  note(beat: RunnerBeat): { readonly runner: Runner; readonly dropped: readonly Sent[] } {
    const runner = this.#table.get(beat.incarnation) ?? this.#newRunner(beat);
    const now = this.#clock.elapsed();
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
    return { runner, dropped };
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
  #compareSent(runner: Runner): Sent[] {
    const dropped: Sent[] = [];
    for (const [key, sent] of runner.sent) {
      if (runner.held.has(key)) {
        if (sent.done !== undefined) settleSent(sent, 'stored');
      } else if (sent.done === undefined) {
        this.#table.take(runner, key);
        dropped.push(sent);
      }
    }
    return dropped;
  }
}

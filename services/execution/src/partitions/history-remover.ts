import type { HistoryStore } from '@batuta/event-store';
import type { EngineCounters } from './counters.js';
import type { Partition } from './partition.js';
import type { Clock, EngineLog } from './ports.js';

export interface HistoryRemoverParts {
  readonly clock: Clock;
  readonly log: EngineLog;
  readonly store: Pick<HistoryStore, 'readDeleted' | 'removeHistory'>;
  readonly counters: EngineCounters;
  readonly partitions: () => readonly Partition[];
  /** The position up to which everything that projections write of a partition is written. */
  readonly projected: (partition: Partition) => number;
}

/** How often it looks for what another process, or this one before, has left. */
const LOOK_MS = 10_000;
/** After a deletion, so that what was projected just before is written. */
const SOON_MS = 300;
const MOST_FOUND = 200;
/** Of one statement, so that it holds up nothing that runs beside it. */
const BATCH = 20;
const PAUSE_MS = 50;
/** What the owner before has sent to the database has arrived by then, or never does. */
const SETTLED_MS = 35_000;

/**
 * Removes the events, rows and snapshots of executions that are deleted: only the event that says so is left. That an execution is
 * deleted is decided and committed before, so this may be done twice, late, or by the partition's next owner.
 */
export class HistoryRemover {
  #cancel: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #waiting = 0;

  constructor(private readonly parts: HistoryRemoverParts) {}

  /** Deleted executions of this process's partitions that are not removed yet, as it saw at its last look. */
  get waiting(): number {
    return this.#waiting;
  }

  start(): void {
    this.#schedule(LOOK_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#running;
  }

  /** An execution was deleted. */
  deleted(): void {
    this.#schedule(SOON_MS);
  }

  #schedule(ms: number): void {
    if (this.#stopped) return;
    this.#cancel?.();
    this.#cancel = this.parts.clock.after(ms, () => {
      this.#cancel = undefined;
      this.#running = this.#running.then(async () => {
        const again = await this.#round();
        if (this.#cancel === undefined) this.#schedule(again ? SOON_MS : LOOK_MS);
      });
    });
  }

  /** Whether something is left to do soon. Never rejects. */
  async #round(): Promise<boolean> {
    const { store, log, counters, clock, projected } = this.parts;
    try {
      const settled = new Map(
        this.parts.partitions().flatMap((each) => (this.#isSettled(each) ? [[each.id, each] as const] : [])),
      );
      if (settled.size === 0) return false;
      const found = await store.readDeleted([...settled.keys()], MOST_FOUND);
      const due = found.filter(({ partition, position }) => {
        const owned = settled.get(partition);
        // What its events asked for is read from them when the next owner has to do it again.
        return owned !== undefined && position <= Math.min(projected(owned), owned.effectsDone);
      });
      this.#waiting = found.length;
      for (let from = 0; from < due.length && !this.#stopped; from += BATCH) {
        const removed = await store.removeHistory(due.slice(from, from + BATCH).map(({ id }) => id));
        counters.removedExecutions += removed.length;
        this.#waiting -= removed.length;
        await new Promise<void>((resolve) => {
          clock.after(PAUSE_MS, resolve);
        });
      }
      return this.#waiting > 0 || found.length === MOST_FOUND;
    } catch (error) {
      log.warn({ err: error }, 'deleted executions cannot be removed now; the next look tries again');
      return false;
    }
  }

  /** The first owner of all has none before it. */
  #isSettled({ epoch, takenAt }: Partition): boolean {
    return epoch === 1 || this.parts.clock.elapsed() - takenAt >= SETTLED_MS;
  }
}

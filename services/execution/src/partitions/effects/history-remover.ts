import type { HistoryStore } from '../../store/port.js';
import type { EngineCounters } from '../ports/counters.js';
import type { Partition } from '../lane/partition.js';
import type { Clock, EngineLog } from '../ports/ports.js';

interface HistoryRemoverParts {
  readonly clock: Clock;
  readonly log: EngineLog;
  readonly store: Pick<HistoryStore, 'readDeleted' | 'removeHistory'>;
  readonly counters: EngineCounters;
  readonly partitions: () => readonly Partition[];
  /** The position up to which projections have written everything of a partition. */
  readonly projected: (partition: Partition) => number;
}

/** How often it looks for executions that another or an earlier process has left. */
const LOOK_MS = 10_000;
/** The wait after a deletion, so that earlier projections are written. */
const SOON_MS = 300;
const MOST_FOUND = 200;
/** Executions of one statement, so that it does not delay concurrent statements. */
const BATCH = 20;
const PAUSE_MS = 50;
/** By then everything that the previous owner sent to the database has arrived, or never will. */
const SETTLED_MS = 35_000;

/**
 * Removes the events, rows and snapshots of deleted executions. Only the event of the deletion stays. The deletion is
 * committed before, so this may happen twice, late, or by the partition's next owner.
 */
export class HistoryRemover {
  readonly #parts: HistoryRemoverParts;
  #cancel: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #waiting = 0;
  /** Executions that are being restored, with the number of requests for it. */
  readonly #kept = new Map<string, number>();

  constructor(parts: HistoryRemoverParts) {
    this.#parts = parts;
  }

  /** Deleted executions in this process's partitions that were not removed at the last check. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Leaves an execution alone until the returned function is called. */
  keep(id: string): () => void {
    this.#kept.set(id, (this.#kept.get(id) ?? 0) + 1);
    let isKept = true;
    return () => {
      if (!isKept) return;
      isKept = false;
      const left = (this.#kept.get(id) ?? 1) - 1;
      if (left > 0) this.#kept.set(id, left);
      else this.#kept.delete(id);
    };
  }

  start(): void {
    this.#schedule(LOOK_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#running;
  }

  /** Called when an execution was deleted. */
  deleted(): void {
    this.#schedule(SOON_MS);
  }

  #schedule(ms: number): void {
    if (this.#stopped) return;
    this.#cancel?.();
    this.#cancel = this.#parts.clock.after(ms, () => {
      this.#cancel = undefined;
      this.#running = this.#running.then(async () => {
        const again = await this.#round();
        if (this.#cancel === undefined) this.#schedule(again ? SOON_MS : LOOK_MS);
      });
    });
  }

  /** Returns whether there is more to do soon. Never rejects. */
  async #round(): Promise<boolean> {
    const { store, log, counters, clock, projected } = this.#parts;
    try {
      const settled = new Map(
        this.#parts.partitions().flatMap((each) => (this.#isSettled(each) ? [[each.id, each] as const] : [])),
      );
      if (settled.size === 0) return false;
      const found = await store.readDeleted([...settled.keys()], MOST_FOUND);
      const due = found.filter(({ partition, position }) => {
        const owned = settled.get(partition);
        // The next owner may have to perform the effects of its events again, and reads them from the log.
        return owned !== undefined && position <= Math.min(projected(owned), owned.effectsDone);
      });
      this.#waiting = found.length;
      for (let from = 0; from < due.length && !this.#stopped; from += BATCH) {
        const ids = due.slice(from, from + BATCH).flatMap(({ id }) => (this.#kept.has(id) ? [] : [id]));
        const removed = ids.length === 0 ? [] : await store.removeHistory(ids);
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

  /** The first owner of all has no predecessor. */
  #isSettled({ epoch, takenAt }: Partition): boolean {
    return epoch === 1 || this.#parts.clock.elapsed() - takenAt >= SETTLED_MS;
  }
}

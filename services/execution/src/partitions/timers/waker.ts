import type { ExecutionReader } from '../../store/port.js';
import type { Input } from '../lane/inputs.js';
import type { HotStream, Partition } from '../lane/partition.js';
import type { Clock, EngineLog } from '../ports/ports.js';
import { kindOf } from '../lane/streams.js';
import { TimeHeap } from './time-heap.js';

export interface WakerSettings {
  /** How often the rows are asked for what is due. */
  readonly scanMs: number;
  /** Executions that one look brings at most. */
  readonly scanLimit: number;
}

interface WakerParts {
  readonly clock: Clock;
  readonly reader: ExecutionReader;
  readonly log: EngineLog;
  readonly settings: WakerSettings;
  readonly partitions: () => readonly Partition[];
  readonly partition: (id: number) => Partition | undefined;
  readonly submit: (partition: Partition, input: Input) => void;
}

/** Timers in memory reach this far; what is due later is found in its row in time. */
const HORIZON_MS = 60_000;

type Entry =
  | { readonly kind: 'hot'; readonly execution: HotStream; readonly at: number }
  | { readonly kind: 'row'; readonly partition: number; readonly id: string; readonly at: number };

/**
 * Brings time to executions: those in memory by their state's next wake-up, the others by the wake-up in their row, which
 * is never later. Waking too early does nothing.
 */
export class Waker {
  readonly #parts: WakerParts;
  readonly #heap = new TimeHeap<Entry>();
  readonly #fromRows = new Set<string>();
  #cancelTimer: (() => void) | undefined;
  #timerAt = Infinity;
  #cancelScan: (() => void) | undefined;
  #stopped = false;

  constructor(parts: WakerParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#scheduleScan(0);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTimer?.();
    this.#cancelScan?.();
  }

  /** The execution may have another next wake-up than before. */
  note(execution: HotStream): void {
    const { committed } = execution;
    if (committed === undefined || this.#stopped) return;
    const at = kindOf(committed).nextWake(committed);
    if (at === undefined || at >= execution.wakeEntry || at > this.#parts.clock.now() + HORIZON_MS) return;
    execution.wakeEntry = at;
    this.#add({ kind: 'hot', execution, at });
  }

  #add(entry: Entry): void {
    this.#heap.push(entry.at, entry);
    if (entry.at < this.#timerAt) this.#arm();
  }

  #arm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerAt = this.#heap.firstAt ?? Infinity;
    if (this.#timerAt === Infinity || this.#stopped) return;
    const wait = Math.max(0, this.#timerAt - this.#parts.clock.now());
    this.#cancelTimer = this.#parts.clock.after(wait, () => {
      this.#cancelTimer = undefined;
      this.#timerAt = Infinity;
      this.#fire();
    });
  }

  #fire(): void {
    const now = this.#parts.clock.now();
    for (let entry = this.#heap.popDue(now); entry !== undefined; entry = this.#heap.popDue(now)) {
      if (entry.kind === 'row') {
        this.#fromRows.delete(entry.id);
        const partition = this.#parts.partition(entry.partition);
        if (partition === undefined) continue;
        this.#parts.submit(partition, { kind: 'wake', executionId: entry.id, rowWakeAt: entry.at });
        continue;
      }
      const { execution } = entry;
      if (execution.wakeEntry === entry.at) execution.wakeEntry = Infinity;
      if (!execution.partition.owned || execution.committed === undefined) continue;
      const next = kindOf(execution.committed).nextWake(execution.committed);
      if (next === undefined) continue;
      if (next > now) this.note(execution);
      else this.#parts.submit(execution.partition, { kind: 'wake', executionId: execution.id, rowWakeAt: undefined });
    }
    this.#arm();
  }

  #scheduleScan(wait: number): void {
    if (this.#stopped) return;
    this.#cancelScan = this.#parts.clock.after(wait, () => {
      void this.#scan();
    });
  }

  async #scan(): Promise<void> {
    const { clock, reader, settings, log } = this.#parts;
    let full = false;
    try {
      const ids = this.#parts.partitions().map((partition) => partition.id);
      const due = ids.length === 0 ? [] : await reader.readDue(ids, clock.now() + settings.scanMs, settings.scanLimit);
      full = due.length === settings.scanLimit;
      for (const { id, partition, wakeAt } of due) {
        if (this.#fromRows.has(id)) continue;
        this.#fromRows.add(id);
        this.#add({ kind: 'row', partition, id, at: wakeAt });
      }
    } catch (error) {
      log.warn({ err: error }, 'due executions cannot be read now');
    }
    this.#scheduleScan(full ? settings.scanMs / 10 : settings.scanMs);
  }
}

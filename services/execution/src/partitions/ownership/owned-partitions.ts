import type { PartitionRecord } from '@batuta/event-store';
import type { EngineCounters } from '../ports/counters.js';
import { Partition } from '../lane/partition.js';
import type { EnginePorts, PartitionRequest } from '../ports/ports.js';

interface OwnedPartitionsParts {
  readonly ports: Pick<EnginePorts, 'bus' | 'clock' | 'log'>;
  readonly counters: Pick<EngineCounters, 'takeovers'>;
  /** After a takeover or a stall, attempt deadlines wait this long. */
  readonly graceMs: number;
  /** How long a release waits for acknowledgements of effects. */
  readonly drainMs: number;
  readonly partitionCount: () => number;
  readonly request: (partition: number, request: PartitionRequest) => void;
  /** This process owns the partition from now on. */
  readonly opened: (partition: Partition, record: PartitionRecord) => void;
  readonly lost: (partition: Partition) => void;
  /** Looks at once whether partitions are free. */
  readonly check: () => void;
  /** Raises the epochs of partitions that this process still has. */
  readonly reclaim: (partitions: readonly Partition[]) => Promise<readonly PartitionRecord[]>;
  /** Resolves when nothing of these partitions is uncommitted. */
  readonly settled: (partitions: readonly Partition[]) => Promise<unknown>;
}

const RECLAIM_PAUSE_MS = 200;
const LONGEST_DRAIN_MS = 10_000;

/** The partitions that this process owns, each under its newest epoch, and the requests that it takes for them. */
export class OwnedPartitions {
  readonly #parts: OwnedPartitionsParts;
  readonly #partitions = new Map<number, Partition>();
  readonly #serving = new Map<number, () => void>();
  #sorted: readonly Partition[] = [];
  /** Partitions that were taken but not announced yet. */
  readonly #taken: number[] = [];
  #stopped = false;

  constructor(parts: OwnedPartitionsParts) {
    this.#parts = parts;
  }

  /** By id. */
  get all(): readonly Partition[] {
    return this.#sorted;
  }

  get(id: number): Partition | undefined {
    return this.#partitions.get(id);
  }

  /** The process ends. It takes no partition again. */
  stop(): void {
    this.#stopped = true;
  }

  opened(record: PartitionRecord): void {
    const { ports, graceMs, counters } = this.#parts;
    const before = this.#partitions.get(record.partition);
    // The answer to a later claim of our own may have arrived first.
    if (before !== undefined && before.epoch >= record.epoch) return;
    before?.lose();
    const now = ports.clock.elapsed();
    const partition = new Partition(record, ports.clock.now(), now + graceMs, now);
    this.#partitions.set(record.partition, partition);
    counters.takeovers += 1;
    this.#sort();
    if (!this.#serving.has(partition.id)) {
      const stop = ports.bus.serve(partition.id, (request) => this.#parts.request(partition.id, request));
      this.#serving.set(partition.id, stop);
    }
    this.#announceTaken(partition.id);
    ports.log.debug({ partition: partition.id, epoch: partition.epoch }, 'partition taken');
    this.#parts.opened(partition, record);
  }

  /** One message for all partitions that are taken together. */
  #announceTaken(partition: number): void {
    this.#taken.push(partition);
    if (this.#taken.length > 1) return;
    const { bus, clock } = this.#parts.ports;
    clock.soon(() => bus.announceTaken?.(this.#taken.splice(0)));
  }

  #sort(): void {
    this.#sorted = [...this.#partitions.values()].sort((a, b) => a.id - b.id);
    this.#parts.ports.bus.owns?.(this.#sorted.length / this.#parts.partitionCount());
  }

  lost(partition: Partition, reason: string): void {
    if (!partition.owned) return;
    partition.lose();
    if (this.#partitions.get(partition.id) !== partition) return;
    this.#partitions.delete(partition.id);
    this.#sort();
    this.#endServing(partition);
    this.#parts.lost(partition);
    partition.executions.clear();
    if (reason !== 'released') {
      this.#parts.ports.log.warn({ partition: partition.id, epoch: partition.epoch, reason }, 'partition lost');
      if (!this.#stopped) this.#parts.check();
    }
  }

  #endServing({ id }: Partition): void {
    this.#serving.get(id)?.();
    this.#serving.delete(id);
  }

  /** Takes partitions again under a higher epoch, because the outcome of a commit is unknown. */
  async reclaim(partitions: readonly Partition[]): Promise<void> {
    const { clock, log } = this.#parts.ports;
    const owned = partitions.filter((partition) => partition.owned);
    for (const partition of owned) {
      partition.lose();
      partition.executions.clear();
      this.#partitions.delete(partition.id);
    }
    this.#sort();
    while (owned.length > 0 && !this.#stopped) {
      try {
        const taken = await this.#parts.reclaim(owned);
        for (const record of taken) this.opened(record);
        break;
      } catch (error) {
        log.warn({ err: error }, 'partitions cannot be taken again yet');
        await new Promise<void>((resolve) => {
          clock.after(RECLAIM_PAUSE_MS, resolve);
        });
      }
    }
    for (const partition of owned) {
      if (!this.#partitions.has(partition.id)) this.#endServing(partition);
    }
    if (!this.#stopped) this.#parts.check();
  }

  /** Takes no more requests for these partitions. Resolves when their inputs are decided and their effects are done. */
  async drain(partitions: readonly Partition[]): Promise<void> {
    const { drainMs, settled } = this.#parts;
    const { clock } = this.#parts.ports;
    for (const partition of partitions) {
      partition.drain();
      this.#endServing(partition);
    }
    // A store that does not answer must not keep the process from ending. Uncommitted inputs have not been answered.
    let cancel: () => void = () => undefined;
    const limit = new Promise<void>((resolve) => {
      cancel = clock.after(LONGEST_DRAIN_MS, resolve);
    });
    await Promise.race([settled(partitions), limit]);
    cancel();
    const until = clock.elapsed() + drainMs;
    while (clock.elapsed() < until && partitions.some((partition) => partition.owned && partition.openTickets > 0)) {
      await new Promise<void>((resolve) => {
        clock.after(10, resolve);
      });
    }
  }

  /** The process stood still, so results may be in transit. */
  stalled(ms: number): void {
    const { clock, log } = this.#parts.ports;
    log.warn({ ms: Math.round(ms) }, 'the process stood still');
    const until = clock.elapsed() + this.#parts.graceMs;
    for (const partition of this.#sorted) partition.graceUntil = until;
  }
}

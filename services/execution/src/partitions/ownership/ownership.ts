import type { OwnershipStore, PartitionRecord } from '@batuta/event-store';
import type { Partition } from '../lane/partition.js';
import type { Bus, Clock, EngineLog } from '../ports/ports.js';

export interface OwnershipSettings {
  /** Stable name of this process among the owners. */
  readonly name: string;
  readonly leaseMs: number;
  readonly renewMs: number;
}

interface OwnershipParts {
  readonly clock: Clock;
  readonly store: OwnershipStore;
  readonly bus: Bus;
  readonly log: EngineLog;
  readonly settings: OwnershipSettings;
  /** A different value for each start of the process. */
  readonly incarnation: string;
  readonly owned: () => readonly Partition[];
  /** This process owns the partition now. */
  readonly opened: (record: PartitionRecord) => void;
  readonly lost: (partition: Partition, reason: string) => void;
  /** Ends the work of the partitions. Resolves when nothing of them is uncommitted. */
  readonly drain: (partitions: readonly Partition[]) => Promise<void>;
  /** The process did not run for some time. */
  readonly stalled: (ms: number) => void;
  /** Another process has started under this name, so this one must end. */
  readonly superseded: () => void;
  /** See `EngineOptions.onStoreTime`. */
  readonly onStoreTime?: ((time: number, agoMs: number) => void) | undefined;
}

const LONGEST_LOOK_MS = 500;

/**
 * Maintains this process's lease and its share of the partitions: ceil(partitions / live owners). It takes partitions
 * that are free or whose owner's lease has ended, and releases the surplus.
 */
export class Ownership {
  readonly #parts: OwnershipParts;
  #running: Promise<void> | undefined;
  #again = false;
  #cancel: (() => void) | undefined;
  #cancelBeat: (() => void) | undefined;
  #stopped = false;
  #forgetHint: (() => void) | undefined;
  #forgetCutOff: (() => void) | undefined;
  #lastBeat: number;
  #othersServe = false;
  #unowned = 0;

  constructor(parts: OwnershipParts) {
    this.#parts = parts;
    this.#lastBeat = parts.clock.elapsed();
  }

  /** Registers and takes the first partitions. Throws when the store cannot be reached. */
  async start(): Promise<void> {
    const { store, settings, incarnation, bus } = this.#parts;
    await store.register(settings.name, incarnation, settings.leaseMs);
    this.#forgetHint = bus.onRelease(() => this.check());
    this.#forgetCutOff = bus.onCutOff?.(() => this.check());
    this.#lastBeat = this.#parts.clock.elapsed();
    await this.#round();
    this.#schedule();
    this.#beat();
  }

  /**
   * How long this owner has been cut off from NATS while others are not. Undefined when it is not, or when all are cut
   * off.
   */
  get cutOffAloneMs(): number | undefined {
    return this.#othersServe ? this.#parts.bus.cutOffMs?.() : undefined;
  }

  /** How many partitions had no owner with a valid lease at the last check. */
  get unowned(): number {
    return this.#unowned;
  }

  /** Checks the partitions now, or once more after the current check. */
  check(): void {
    if (this.#stopped) return;
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    this.#cancel?.();
    this.#running = this.#round()
      .catch((error: unknown) => this.#parts.log.warn({ err: error }, 'partitions cannot be looked at now'))
      .then(() => {
        this.#running = undefined;
        if (this.#again) {
          this.#again = false;
          this.check();
        } else {
          this.#schedule();
        }
      });
  }

  /** Takes partitions again under a higher epoch. Another process owns those that are not returned. */
  async reclaim(partitions: readonly Partition[]): Promise<PartitionRecord[]> {
    const { store, settings, incarnation } = this.#parts;
    // The cause of the failed commit may have lasted longer than the lease.
    await store.renew(settings.name, incarnation, settings.leaseMs);
    return store.claim(
      settings.name,
      incarnation,
      partitions.map((partition) => ({ partition: partition.id, epoch: partition.epoch })),
    );
  }

  /** Releases everything and ends the lease. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancelBeat?.();
    this.#forgetHint?.();
    this.#forgetCutOff?.();
    await this.#running;
    await this.#release(this.#parts.owned());
    await this.#parts.store.resign(this.#parts.settings.name, this.#parts.incarnation);
    this.#parts.bus.announceRelease();
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#cancel = this.#parts.clock.after(this.#parts.settings.renewMs, () => this.check());
  }

  /** Notices that the process stalled. Timers of the process itself cannot tell it. */
  #beat(): void {
    if (this.#stopped) return;
    const { clock, settings } = this.#parts;
    const interval = Math.max(50, settings.renewMs / 6);
    this.#cancelBeat = clock.after(interval, () => {
      const gap = clock.elapsed() - this.#lastBeat - interval;
      this.#lastBeat = clock.elapsed();
      if (this.#stopped) return;
      if (gap > settings.renewMs / 2) {
        this.#parts.stalled(gap);
        this.check();
      }
      this.#beat();
    });
  }

  async #round(): Promise<void> {
    const { store, settings, incarnation, bus } = this.#parts;
    const cutOffMs = bus.cutOffMs?.();
    if (cutOffMs !== undefined) await this.#standBack(cutOffMs);
    if (!(await store.renew(settings.name, incarnation, cutOffMs === undefined ? settings.leaseMs : 0))) {
      for (const partition of this.#parts.owned()) this.#parts.lost(partition, 'another process has its owner’s name');
      this.#parts.superseded();
      return;
    }
    if (cutOffMs !== undefined) {
      const { liveOwners, partitions } = await store.view();
      this.#unowned = partitions.filter(({ ownerAlive }) => !ownerAlive).length;
      this.#othersServe = liveOwners.some((name) => name !== settings.name);
      return;
    }
    this.#othersServe = false;
    await this.#readTime();
    const view = await store.view();
    this.#unowned = view.partitions.filter(({ ownerAlive }) => !ownerAlive).length;
    const records = new Map(view.partitions.map((record) => [record.partition, record]));
    for (const partition of this.#parts.owned()) {
      const record = records.get(partition.id);
      // A concurrent claim of our own has a higher epoch than the view.
      if (record !== undefined && (record.epoch > partition.epoch || record.owner !== settings.name)) {
        this.#parts.lost(partition, `it belongs to ${record.owner ?? 'nobody'} now`);
      }
    }
    const owners = new Set([...view.liveOwners, settings.name]).size;
    const share = Math.ceil(view.partitions.length / owners);
    const owned = this.#parts.owned();
    if (owned.length > share) {
      await this.#release(owned.slice(share));
      this.#parts.bus.announceRelease();
    } else if (!this.#stopped) {
      await this.#claim(view.partitions, share - owned.length);
    }
    // Partitions in this name but not in memory, because the answer to their claim was lost. No other process takes
    // them while this lease is valid, so they are released here. The view's epochs are used, so partitions taken since
    // are left alone.
    const inMemory = new Set(owned.map((partition) => partition.id));
    const forgotten = view.partitions
      .filter((record) => record.owner === settings.name && !inMemory.has(record.partition))
      .slice(Math.max(0, share - owned.length));
    if (forgotten.length === 0) return;
    await store.release(settings.name, forgotten);
    bus.announceRelease();
  }

  async #readTime(): Promise<void> {
    const { clock, store, onStoreTime } = this.#parts;
    if (onStoreTime === undefined) return;
    const sent = clock.elapsed();
    const time = await store.time();
    const tookMs = clock.elapsed() - sent;
    // A slow answer says little about the time.
    if (tookMs < LONGEST_LOOK_MS) onStoreTime(time, tookMs / 2);
  }

  /**
   * Releases partitions for which no client can reach this process. Its lease ends too, but its name stays reserved.
   */
  async #standBack(cutOffMs: number): Promise<void> {
    const owned = this.#parts.owned();
    if (owned.length === 0) return;
    this.#parts.log.error(
      { ms: Math.round(cutOffMs), partitions: owned.length },
      'cut off from NATS: the partitions are given up, for others to take',
    );
    await this.#release(owned);
  }

  async #claim(partitions: readonly PartitionRecord[], count: number): Promise<void> {
    const { settings, store, incarnation } = this.#parts;
    const inMemory = new Set(this.#parts.owned().map((partition) => partition.id));
    const free = partitions
      .filter((record) => !inMemory.has(record.partition))
      .filter((record) => record.owner === settings.name || !record.ownerAlive)
      // Partitions that this name owned before come first, because no other process waits for them.
      .sort((a, b) => Number(b.owner === settings.name) - Number(a.owner === settings.name));
    const wanted = free.slice(0, count);
    if (wanted.length === 0) return;
    for (const record of await store.claim(settings.name, incarnation, wanted)) this.#parts.opened(record);
  }

  async #release(partitions: readonly Partition[]): Promise<void> {
    if (partitions.length === 0) return;
    await this.#parts.drain(partitions);
    const still = partitions.filter((partition) => partition.owned);
    try {
      await this.#parts.store.release(
        this.#parts.settings.name,
        still.map((partition) => ({
          partition: partition.id,
          epoch: partition.epoch,
          publishedPosition: partition.effectsDone,
        })),
      );
    } finally {
      // No client is served any more, whether or not the release was received. Partitions that still have this name are
      // checked again later.
      for (const partition of still) this.#parts.lost(partition, 'released');
    }
  }
}

import type { FencedPartition, OwnershipStore, OwnershipView, PartitionRecord, WantedPartition } from '../port.js';

interface PartitionState {
  owner: string | null;
  epoch: number;
  lastPosition: number;
  publishedPosition: number;
}

/** Owners with their leases, and the partitions that they have. `now` is the store's clock in epoch ms. */
export class MemoryOwnership implements OwnershipStore {
  #partitionCount: number | undefined;
  readonly #partitions = new Map<number, PartitionState>();
  readonly #owners = new Map<string, { incarnation: string; leaseUntil: number }>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  async fixPartitionCount(wanted: number): Promise<number> {
    await Promise.resolve();
    this.#partitionCount ??= wanted;
    for (let partition = 0; partition < this.#partitionCount; partition++) {
      if (!this.#partitions.has(partition)) {
        this.#partitions.set(partition, { owner: null, epoch: 0, lastPosition: 0, publishedPosition: 0 });
      }
    }
    return this.#partitionCount;
  }

  async register(owner: string, incarnation: string, leaseMs: number): Promise<void> {
    await Promise.resolve();
    this.#owners.set(owner, { incarnation, leaseUntil: this.#now() + leaseMs });
  }

  async renew(owner: string, incarnation: string, leaseMs: number): Promise<boolean> {
    await Promise.resolve();
    const lease = this.#owners.get(owner);
    if (lease?.incarnation !== incarnation) return false;
    lease.leaseUntil = this.#now() + leaseMs;
    return true;
  }

  time(): Promise<number> {
    return Promise.resolve(this.#now());
  }

  async resign(owner: string, incarnation: string): Promise<void> {
    await Promise.resolve();
    if (this.#owners.get(owner)?.incarnation !== incarnation) return;
    this.#owners.delete(owner);
    for (const state of this.#partitions.values()) {
      if (state.owner === owner) state.owner = null;
    }
  }

  async view(): Promise<OwnershipView> {
    await Promise.resolve();
    return {
      partitions: [...this.#partitions.keys()].sort((a, b) => a - b).map((partition) => this.#record(partition)),
      liveOwners: [...this.#owners.keys()].filter((name) => this.#alive(name)).sort(),
    };
  }

  async claim(owner: string, incarnation: string, wanted: readonly WantedPartition[]): Promise<PartitionRecord[]> {
    await Promise.resolve();
    if (this.#owners.get(owner)?.incarnation !== incarnation || !this.#alive(owner)) return [];
    const taken: PartitionRecord[] = [];
    for (const { partition, epoch } of wanted) {
      const state = this.#partitions.get(partition);
      if (state === undefined || state.epoch !== epoch) continue;
      state.owner = owner;
      state.epoch += 1;
      taken.push(this.#record(partition));
    }
    return taken.sort((a, b) => a.partition - b.partition);
  }

  async release(owner: string, partitions: readonly FencedPartition[]): Promise<void> {
    await Promise.resolve();
    for (const item of partitions) {
      const state = this.#partitions.get(item.partition);
      if (state === undefined || state.owner !== owner || state.epoch !== item.epoch) continue;
      state.owner = null;
      state.publishedPosition = Math.max(state.publishedPosition, item.publishedPosition);
    }
  }

  async publish(partitions: readonly FencedPartition[]): Promise<void> {
    await Promise.resolve();
    for (const item of partitions) {
      const state = this.#partitions.get(item.partition);
      if (state?.epoch === item.epoch) {
        state.publishedPosition = Math.max(state.publishedPosition, item.publishedPosition);
      }
    }
  }

  holds(item: FencedPartition): boolean {
    return this.#partitions.get(item.partition)?.epoch === item.epoch;
  }

  state(partition: number): PartitionState {
    const state = this.#partitions.get(partition);
    if (state === undefined) throw new RangeError(`there is no partition ${partition}`);
    return state;
  }

  #alive(owner: string): boolean {
    return (this.#owners.get(owner)?.leaseUntil ?? -Infinity) > this.#now();
  }

  #record(partition: number): PartitionRecord {
    const state = this.state(partition);
    return { partition, ...state, ownerAlive: state.owner !== null && this.#alive(state.owner) };
  }
}

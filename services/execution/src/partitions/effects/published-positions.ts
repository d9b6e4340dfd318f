import type { Partition } from '../lane/partition.js';
import type { EnginePorts } from '../ports/ports.js';

interface PublishedPositionsParts {
  readonly ports: Pick<EnginePorts, 'clock' | 'store' | 'log'>;
  readonly partitions: () => readonly Partition[];
}

/** How often published positions of idle partitions are written. */
const PUBLISH_MS = 1_000;

/** Writes the published positions of idle partitions. Those of the others are written by their commits. */
export class PublishedPositions {
  readonly #parts: PublishedPositionsParts;
  #cancel: (() => void) | undefined;
  #stopped = false;
  /** The position of each partition at the last look. A partition whose position has changed since is not idle. */
  readonly #seen = new Map<Partition, number>();

  constructor(parts: PublishedPositionsParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#cancel = this.#parts.ports.clock.after(PUBLISH_MS, () => {
      void this.#publish().then(() => {
        if (!this.#stopped) this.start();
      });
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  forget(partition: Partition): void {
    this.#seen.delete(partition);
  }

  async #publish(): Promise<void> {
    const { store, log } = this.#parts.ports;
    const resting: Partition[] = [];
    for (const partition of this.#parts.partitions()) {
      const { effectsDone } = partition;
      if (effectsDone > partition.writtenPublished && this.#seen.get(partition) === effectsDone) {
        resting.push(partition);
      }
      this.#seen.set(partition, effectsDone);
    }
    if (resting.length === 0) return;
    const written = resting.map((partition) => ({
      partition: partition.id,
      epoch: partition.epoch,
      publishedPosition: partition.effectsDone,
    }));
    try {
      await store.publish(written);
      for (const [index, partition] of resting.entries()) {
        partition.writtenPublished = Math.max(partition.writtenPublished, written[index]?.publishedPosition ?? 0);
      }
    } catch (error) {
      log.warn({ err: error }, 'published positions cannot be written now');
    }
  }
}

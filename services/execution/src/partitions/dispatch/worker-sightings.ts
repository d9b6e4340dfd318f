import type { RunnerBeat } from '@batuta/contracts';
import type { Clock, SeenPool } from '../ports/ports.js';

/** Milliseconds for which a worker counts as seen. */
const SEEN_MS = 30_000;

interface Sighting {
  readonly workerId: string;
  readonly pools: RunnerBeat['pools'];
  /** Tasks that it got past the queue. */
  readonly held: number;
  readonly expiresMs: number;
  /** Running time. */
  readonly seen: number;
}

/** Remembers the newest beat of each run of a worker, for those who ask which workers there are. */
export class WorkerSightings {
  readonly #clock: Pick<Clock, 'elapsed'>;
  readonly #sightings = new Map<string, Sighting>();

  constructor(clock: Pick<Clock, 'elapsed'>) {
    this.#clock = clock;
  }

  heard({ runnerId, incarnation, pools, held, expiresMs }: RunnerBeat): void {
    const isNew = !this.#sightings.has(incarnation);
    this.#sightings.set(incarnation, {
      workerId: runnerId || incarnation,
      pools,
      held: held.length,
      expiresMs,
      seen: this.#clock.elapsed(),
    });
    // Runs come and go seldom: what is old is forgotten then.
    if (isNew) this.#forgetOld();
  }

  pool(name: string): SeenPool {
    this.#forgetOld();
    const now = this.#clock.elapsed();
    const workers = new Set<string>();
    let slots = 0;
    let free = 0;
    let direct = 0;
    for (const { workerId, pools, held, expiresMs, seen } of this.#sightings.values()) {
      const own = pools.find(({ pool }) => pool === name);
      if (own === undefined) continue;
      workers.add(workerId);
      if (now - seen > expiresMs) continue;
      slots += own.slots;
      free += own.free;
      direct += held;
    }
    return { workers: workers.size, slots, free, direct };
  }

  #forgetOld(): void {
    const before = this.#clock.elapsed() - SEEN_MS;
    for (const [incarnation, { seen }] of this.#sightings) {
      if (seen < before) this.#sightings.delete(incarnation);
    }
  }
}

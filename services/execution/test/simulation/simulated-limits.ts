import type { Refusal } from '@batuta/contracts';
import type { OwnStart, OwnStarts } from '../../src/partitions/ports/ports.js';
import { SeededRandom } from './random.js';
import type { World } from './world.js';

const REFUSAL: Refusal = { code: 'limit_reached', message: 'The tenant may have no more.' };
const LONGEST_MS = 8_000;

/** The limits of the tenant: starts of streams wait for them now and then, and a schedule's may wait in vain. */
export class SimulatedLimits implements OwnStarts {
  readonly #world: World;
  readonly #random: SeededRandom;
  /** What was let through; it stays so, as a repeated start begins nothing. */
  readonly through = new Set<string>();
  readonly #refused = new Set<string>();

  constructor(world: World, random: SeededRandom) {
    this.#world = world;
    this.#random = random;
  }

  admitted(start: OwnStart): Promise<Refusal | 'unwanted' | undefined> {
    const world = this.#world;
    const random = this.#random;
    const { executionId, child } = start;
    if (random.chance(0.05)) return Promise.reject(new Error('nobody counts now'));
    const waits = random.chance(0.5) ? random.int(20) : random.int(Math.min(LONGEST_MS, start.waitMs) + 1);
    const inVain = !child && random.chance(0.2);
    return new Promise((resolve) => {
      world.after(waits, () => {
        if (this.through.has(executionId)) return resolve(undefined);
        if (this.#refused.has(executionId)) return resolve(REFUSAL);
        if (!start.wanted()) return resolve('unwanted');
        (inVain ? this.#refused : this.through).add(executionId);
        resolve(inVain ? REFUSAL : undefined);
      });
    });
  }
}

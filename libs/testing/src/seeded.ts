import { randomInt } from 'node:crypto';

const USUAL_SEED = 20_261_121;

/** Random choices that a seed repeats. */
export interface Seeded {
  readonly seed: number;
  /** A number from 0 to 1, without 1. */
  next(): number;
  /** A whole number from `min` to `max`, both included. */
  integer(min: number, max: number): number;
  /** One of the values; throws a `RangeError` when there are none. */
  pick<T>(values: readonly T[]): T;
  /** A new array with the values in random order (Fisher–Yates). */
  shuffle<T>(values: readonly T[]): T[];
}

/**
 * Random choices from a 32-bit seed (default: that of `seedOf`). Prints the seed, so that a failure can be repeated.
 * The generator is Mulberry32 by Tommy Ettinger (public domain).
 */
export function seeded(seed: number = seedOf(process.env['BATUTA_SEED'])): Seeded {
  process.stderr.write(`seed ${seed >>> 0} (BATUTA_SEED=${seed >>> 0} repeats this run)\n`);
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  return {
    seed: seed >>> 0,
    next,
    integer,
    pick(values) {
      if (values.length === 0) throw new RangeError('There is nothing to pick from.');
      return values[integer(0, values.length - 1)]!;
    },
    shuffle(values) {
      const shuffled = [...values];
      for (let last = shuffled.length - 1; last > 0; last -= 1) {
        const other = integer(0, last);
        [shuffled[last], shuffled[other]] = [shuffled[other]!, shuffled[last]!];
      }
      return shuffled;
    },
  };
}

/**
 * The seed in `BATUTA_SEED`: a whole number, or `random` for a different one each time. Default: always the same one,
 * so that only a change of the code decides whether its tests pass. Throws a `TypeError` for anything else.
 */
export function seedOf(text: string | undefined): number {
  if (text === undefined || text === '') return USUAL_SEED;
  if (text === 'random') return randomInt(2 ** 31);
  if (!/^\d+$/.test(text)) throw new TypeError('BATUTA_SEED must be a whole number or random.');
  return Number(text);
}

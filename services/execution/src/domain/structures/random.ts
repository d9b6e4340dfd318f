/** A number from 0 (inclusive) to 1 (exclusive) that depends on nothing but its arguments (mixing steps of mulberry32). */
export function uniform(seed: number, ...salts: readonly number[]): number {
  let mixed = seed >>> 0;
  for (const salt of [...salts, 0x6d2b79f5]) {
    mixed = (mixed + Math.imul(salt + 1, 0x9e3779b9)) >>> 0;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    mixed = (mixed ^ (mixed >>> 14)) >>> 0;
  }
  return mixed / 4294967296;
}

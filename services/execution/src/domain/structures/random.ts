/** A number from 0 (inclusive) to 1 (exclusive) that depends only on its arguments (mixing steps of mulberry32). */
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

/** A short name for a text. Equal texts have equal names, and different ones almost never (FNV-1a, twice 32 bits). */
export function textName(text: string): string {
  let low = 0x811c9dc5;
  let high = 0x01000193;
  for (let place = 0; place < text.length; place++) {
    const code = text.charCodeAt(place);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x85ebca6b);
  }
  return `${(low >>> 0).toString(16).padStart(8, '0')}${(high >>> 0).toString(16).padStart(8, '0')}`;
}

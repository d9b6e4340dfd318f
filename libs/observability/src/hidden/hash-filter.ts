import { LEAST_PART } from './marks.js';

export const BASE = 0x01_00_01_93;
/** The base to the power of the characters of a hash. */
export const OUTGOING = Array.from({ length: LEAST_PART }).reduce<number>((power) => Math.imul(power, BASE), 1);

function hashOf(text: string, from: number): number {
  let hash = 0;
  for (let at = from; at < from + LEAST_PART; at += 1) hash = (Math.imul(hash, BASE) + text.charCodeAt(at)) | 0;
  return hash;
}

/** Which hashes there may be: never wrong about one that was added, and rarely about another. */
export class HashFilter {
  readonly #bits: Uint32Array;
  readonly #shift: number;

  /** `from`: where in each form the characters begin that are hashed. */
  constructor(forms: readonly string[], from: (form: string) => number) {
    const power = Math.min(26, Math.max(10, Math.ceil(Math.log2(Math.max(1, forms.length))) + 6));
    this.#bits = new Uint32Array(2 ** (power - 5));
    this.#shift = 32 - power;
    for (const form of forms) {
      const bit = this.#bitOf(hashOf(form, from(form)));
      this.#bits[bit >>> 5] = (this.#bits[bit >>> 5] ?? 0) | (1 << (bit & 31));
    }
  }

  mayHave(hash: number): boolean {
    const bit = this.#bitOf(hash);
    return ((this.#bits[bit >>> 5] ?? 0) & (1 << (bit & 31))) !== 0;
  }

  #bitOf(hash: number): number {
    return Math.imul(hash, 0x9e_37_79_b1) >>> this.#shift;
  }
}

import { describe, expect, it } from '@jest/globals';
import { partitionOf } from './partition.js';

describe('partitionOf', () => {
  it('is FNV-1a, so that any client in any language finds the same partition', () => {
    // Published test vectors of FNV-1a 32: "" → 0x811c9dc5, "a" → 0xe40c292c, "foobar" → 0xbf9cf968.
    expect(partitionOf('', 2 ** 32)).toBe(0x811c9dc5);
    expect(partitionOf('a', 2 ** 32)).toBe(0xe40c292c);
    expect(partitionOf('foobar', 2 ** 32)).toBe(0xbf9cf968);
  });

  it('uses the bytes of UTF-8, also for characters of several bytes', () => {
    for (const id of ['é', 'abcé', 'é and a long tail', '日本語', '🎼x', 'x\u007fy', '\u0080']) {
      const hash = Buffer.from(id, 'utf8').reduce((sum, byte) => Math.imul(sum ^ byte, 0x01000193) >>> 0, 0x811c9dc5);
      expect(partitionOf(id, 2 ** 32)).toBe(hash);
    }
  });

  it('spreads ids over all partitions', () => {
    const seen = new Set<number>();
    for (let i = 0; i < 2_000; i += 1) {
      seen.add(partitionOf(`0190f5a0-0000-7000-8000-${i.toString(16).padStart(12, '0')}`, 64));
    }
    expect(seen.size).toBe(64);
  });

  it('refuses a number of partitions that is not a positive integer', () => {
    for (const partitions of [0, -1, 1.5, Number.NaN]) {
      expect(() => partitionOf('x', partitions)).toThrow(RangeError);
    }
  });
});

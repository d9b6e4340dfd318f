import { describe, expect, it } from '@jest/globals';
import { seeded } from './seeded.js';

describe('seeded', () => {
  it('draws the same numbers from the same seed, and different ones from another seed', () => {
    const draw = (seed: number) => {
      const random = seeded(seed);
      return [random.next(), random.integer(1, 1000), ...random.shuffle([1, 2, 3, 4, 5, 6, 7, 8])];
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it('returns the first values of Mulberry32', () => {
    const random = seeded(1);
    expect([random.next(), random.next()].map((value) => value * 2 ** 32)).toEqual([2693262067, 11749833]);
  });

  it('stays within its bounds, reaches both ends, and loses nothing when it shuffles', () => {
    const random = seeded(42);
    const drawn = new Set(Array.from({ length: 500 }, () => random.integer(3, 6)));
    expect([...drawn].sort()).toEqual([3, 4, 5, 6]);
    expect(random.shuffle([1, 2, 3, 4]).sort()).toEqual([1, 2, 3, 4]);
    expect(['a', 'b']).toContain(random.pick(['a', 'b']));
    expect(() => random.pick([])).toThrow(RangeError);
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { backoffMs } from './attempt-outcome.js';

describe('the wait before a retry', () => {
  it('is between zero and the doubled base, and never more than the maximum', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 60_000 }),
        fc.integer({ min: 1, max: 3_600_000 }),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        (retry, base, max, random) => {
          const wait = backoffMs(retry, base, max, () => random);
          expect(wait).toBeGreaterThanOrEqual(0);
          expect(wait).toBeLessThanOrEqual(Math.min(max, base * 2 ** (retry - 1)));
        },
      ),
    );
  });

  it('adds up to hours by default', () => {
    const total = Array.from({ length: 16 }, (_, made) => backoffMs(made + 1, 5_000, 3_600_000, () => 0.5)).reduce(
      (sum, wait) => sum + wait,
      0,
    );
    expect(total).toBeGreaterThan(3 * 3_600_000);
  });
});

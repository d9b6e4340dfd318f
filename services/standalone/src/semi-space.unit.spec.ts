import { describe, expect, it } from '@jest/globals';
import { memoryBytes, semiSpaceMiB } from './semi-space.js';

const GIB = 2 ** 30;

describe('semiSpaceMiB', () => {
  it.each([
    [0.5, 16],
    [2, 16],
    [4, 32],
    [7.6, 32],
    [8, 64],
    [16, 128],
    [512, 128],
  ])('of %d GiB is %d', (gib, mib) => {
    expect(semiSpaceMiB(gib * GIB)).toBe(mib);
  });

  it('uses the memory that this process may have', () => {
    expect(memoryBytes()).toBeGreaterThan(64 * 2 ** 20);
  });
});

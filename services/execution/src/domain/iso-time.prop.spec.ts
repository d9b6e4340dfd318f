import { describe, expect, it } from '@jest/globals';
import { propertyRuns } from '@batuta/testing';
import fc from 'fast-check';
import { isoTime } from './iso-time.js';

describe('isoTime', () => {
  it('is what toISOString gives, from 1970 to the end of 9999', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_402_300_799_999 }), (at) => {
        expect(isoTime(at)).toBe(new Date(at).toISOString());
      }),
      { numRuns: propertyRuns(2000) },
    );
  });

  it.each([
    0,
    Date.UTC(2000, 1, 29),
    Date.UTC(2000, 2, 1) - 1,
    Date.UTC(2100, 1, 28, 23, 59, 59, 999),
    Date.UTC(2100, 2, 1),
    Date.UTC(2024, 11, 31, 23, 59, 59, 999),
    Date.UTC(2025, 0, 1),
  ])('is right at the edge %i', (at) => {
    expect(isoTime(at)).toBe(new Date(at).toISOString());
  });
});

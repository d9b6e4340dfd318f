import { describe, expect, it } from '@jest/globals';
import { newId } from './new-id.js';

describe('a new id', () => {
  it('is a unique UUIDv7 that contains the time, so that later ids sort later', () => {
    const before = Date.now();
    const ids = Array.from({ length: 1_000 }, newId);
    const after = Date.now();
    expect(new Set(ids).size).toBe(ids.length);
    const times = ids.map((id) => {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      return Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);
    });
    expect(times[0]).toBeGreaterThanOrEqual(before);
    expect(times.at(-1)).toBeLessThanOrEqual(after);
    expect(times).toEqual(times.toSorted((one, other) => one - other));
  });
});

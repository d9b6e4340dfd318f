import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SlotMap } from './slot-map.js';

interface Value {
  readonly n: number;
}

const key = fc.integer({ min: 0, max: 6 });
const action = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('set' as const), key }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('delete' as const, 'take' as const), key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const), key }) },
);

describe('SlotMap', () => {
  it('behaves like a Map', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
        const map = new Map<number, Value>();
        const slots = new SlotMap<number, Value>();
        for (const [n, { kind, key: at }] of actions.entries()) {
          if (kind === 'set') {
            const value = { n };
            map.set(at, value);
            slots.set(at, value);
          } else if (kind === 'clear') {
            map.clear();
            slots.clear();
          } else {
            const value = map.get(at);
            const had = map.delete(at);
            if (kind === 'take') expect(slots.take(at)).toBe(value);
            else expect(slots.delete(at)).toBe(had);
          }
          expect(slots.size).toBe(map.size);
          expect(slots.get(at)).toBe(map.get(at));
          expect(slots.has(at)).toBe(map.has(at));
        }
        expect([...slots]).toEqual([...map]);
        expect([...slots.values()]).toEqual([...map.values()]);
        expect([...slots.keys()]).toEqual([...map.keys()]);
      }),
    );
  });

  it('lets entries be deleted and set again during an iteration', () => {
    const slots = new SlotMap<number, Value>();
    for (const n of [1, 2, 3, 4]) slots.set(n, { n });
    const seen: number[] = [];
    for (const [at, value] of slots) {
      seen.push(at);
      slots.delete(at);
      slots.delete(at + 1);
      if (seen.length === 1) slots.set(at, value);
    }
    expect(seen).toEqual([1, 3, 1]);
    expect(slots.size).toBe(0);
  });
});

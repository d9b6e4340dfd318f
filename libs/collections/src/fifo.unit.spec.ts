import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Fifo } from './fifo.js';

describe('Fifo', () => {
  it('behaves like an array', () => {
    const action = fc.record({ push: fc.boolean(), count: fc.integer({ min: 1, max: 2_500 }) });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 8 }), (actions) => {
        const fifo = new Fifo<number>();
        const array: number[] = [];
        const taken: (number | undefined)[] = [];
        const expected: (number | undefined)[] = [];
        let next = 0;
        for (const { push, count } of actions) {
          for (let n = 0; n < count; n++) {
            if (push) {
              fifo.push(next);
              array.push(next);
              next += 1;
            } else {
              taken.push(fifo.peek(), fifo.shift());
              expected.push(array[0], array.shift());
            }
          }
        }
        expect(taken).toEqual(expected);
        expect(fifo.size).toBe(array.length);
        expect([...fifo]).toEqual(array);
      }),
      { numRuns: 30 },
    );
  });
});

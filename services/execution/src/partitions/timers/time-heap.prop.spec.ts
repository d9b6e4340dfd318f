import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { TimeHeap } from './time-heap.js';

it('gives the due entries in the order of their times, and no others', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 50 })), fc.integer({ min: 0, max: 50 }), (times, now) => {
      const heap = new TimeHeap<number>();
      for (const time of times) heap.push(time, time);
      const taken: number[] = [];
      for (let item = heap.popDue(now); item !== undefined; item = heap.popDue(now)) taken.push(item);
      expect(taken).toEqual(times.filter((time) => time <= now).sort((a, b) => a - b));
      expect(heap.size).toBe(times.length - taken.length);
    }),
  );
});

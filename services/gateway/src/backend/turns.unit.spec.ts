import { describe, expect, it } from '@jest/globals';
import { Turns } from './turns.js';

describe('turns', () => {
  it('are limited for one tenant at a time, also after failures, and do not make another tenant wait', async () => {
    const turns = new Turns(2);
    let going = 0;
    let most = 0;
    const work = (n: number) => async (): Promise<number> => {
      most = Math.max(most, ++going);
      await new Promise((resolve) => setImmediate(resolve));
      going -= 1;
      if (n === 1) throw new Error('no');
      return n;
    };
    const all = Promise.allSettled([0, 1, 2, 3, 4, 5].map((n) => turns.take('a', work(n))));
    expect(await turns.take('b', () => Promise.resolve('other'))).toBe('other');
    expect((await all).map(({ status }) => status === 'fulfilled')).toEqual([true, false, true, true, true, true]);
    expect(most).toBe(2);
  });
});

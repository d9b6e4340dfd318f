import { describe, expect, it } from '@jest/globals';
import { RecentSet } from './recent-set.js';

describe('a set of what was added lately', () => {
  it('knows the newest, and forgets the oldest', () => {
    const set = new RecentSet(10);
    for (let n = 0; n < 100; n += 1) set.add(`n${n}`);
    for (let n = 90; n < 100; n += 1) expect(set.has(`n${n}`)).toBe(true);
    for (let n = 0; n < 80; n += 1) expect(set.has(`n${n}`)).toBe(false);
  });
});

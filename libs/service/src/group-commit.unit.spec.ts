import { describe, expect, it } from '@jest/globals';
import { GroupCommit } from './group-commit.js';

describe('a group commit', () => {
  it('commits at once when idle, and then all items together that arrived meanwhile', async () => {
    const commits: number[][] = [];
    const release: (() => void)[] = [];
    const group = new GroupCommit<number, number>(async (items) => {
      commits.push([...items]);
      await new Promise<void>((resolve) => release.push(resolve));
      return items.map((item) => item * 10);
    }, 3);
    const results = [1, 2, 3, 4, 5].map((item) => group.add(item));
    expect(commits).toEqual([[1]]);
    release.shift()?.();
    await results[0];
    await Promise.resolve();
    expect(commits).toEqual([[1], [2, 3, 4]]);
    release.shift()?.();
    await Promise.all(results.slice(1, 4));
    await Promise.resolve();
    release.shift()?.();
    expect(await Promise.all(results)).toEqual([10, 20, 30, 40, 50]);
    expect(commits).toEqual([[1], [2, 3, 4], [5]]);
  });

  it('lets one bad item fail alone', async () => {
    const group = new GroupCommit<number, number>((items) =>
      items.includes(2) ? Promise.reject(new Error('two')) : Promise.resolve(items),
    );
    const results = await Promise.allSettled([0, 1, 2, 3].map((item) => group.add(item)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(await group.add(4)).toBe(4);
  });
});

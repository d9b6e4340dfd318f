import { describe, expect, it } from '@jest/globals';
import { Company } from './company.js';

describe('a company of attempts', () => {
  const never = new AbortController().signal;
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it('lets every attempt in while none must run alone', () => {
    const company = new Company();
    expect([company.tryEnter(false), company.tryEnter(false)]).toEqual([true, true]);
    expect(company.closed).toBe(false);
    expect(company.tryEnter(true)).toBe(false);
  });

  it('lets one run alone when the others are done, and then lets the later ones in, in order', async () => {
    const changes: boolean[] = [];
    const company = new Company((closed) => changes.push(closed));
    const entered: string[] = [];
    company.tryEnter(false);
    const first = company.enter(true, never).then(() => entered.push('alone'));
    expect(company.closed).toBe(true);
    expect(company.tryEnter(false)).toBe(false);
    const others = ['b', 'c'].map((name) => company.enter(false, never).then(() => entered.push(name)));
    const second = company.enter(true, never).then(() => entered.push('alone too'));
    company.leave();
    await first;
    await turn();
    expect(entered).toEqual(['alone']);
    company.leave();
    await Promise.all(others);
    await turn();
    expect(entered).toEqual(['alone', 'b', 'c']);
    company.leave();
    await turn();
    expect(entered).toHaveLength(3);
    company.leave();
    await second;
    expect(company.closed).toBe(true);
    company.leave();
    expect(company.closed).toBe(false);
    expect(changes[0]).toBe(true);
    expect(changes.at(-1)).toBe(false);
    expect(company.tryEnter(true)).toBe(true);
  });

  it('skips an attempt that has stopped waiting', async () => {
    const company = new Company();
    company.tryEnter(false);
    const giveUp = new AbortController();
    const alone = company.enter(true, giveUp.signal);
    const other = company.enter(false, never);
    giveUp.abort(new Error('stopping'));
    await expect(alone).rejects.toThrow('stopping');
    await other;
    expect(company.closed).toBe(false);
    await expect(company.enter(true, giveUp.signal)).rejects.toThrow('stopping');
    expect(company.closed).toBe(false);
  });
});

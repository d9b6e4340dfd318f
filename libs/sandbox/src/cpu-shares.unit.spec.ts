import { describe, expect, it } from '@jest/globals';
import { CpuShares } from './cpu-shares.js';

describe('long jobs of one tenant', () => {
  let now = 0;
  const sharesOf = (most: number): CpuShares => new CpuShares(most, () => now);
  const runs = (shares: CpuShares, tenant: string, ms: number): void => {
    shares.began(tenant);
    shares.ended(tenant, ms);
  };

  it('are delayed only while another tenant is active', () => {
    const shares = sharesOf(1);
    runs(shares, 'hostile', 500);
    shares.began('hostile');
    expect(shares.mayBegin('hostile')).toBe(true);
    runs(shares, 'quiet', 2);
    expect([shares.mayBegin('hostile'), shares.mayBegin('quiet')]).toEqual([false, true]);
    // A tenant's own jobs do not count as those of another tenant.
    shares.began('hostile');
    shares.ended('hostile', 500);
    expect(shares.mayBegin('hostile')).toBe(false);
    now += 20_000;
    expect(shares.mayBegin('hostile')).toBe(true);
  });

  it('run on all cores except one', () => {
    const shares = sharesOf(3);
    runs(shares, 'quiet', 2);
    runs(shares, 'hostile', 500);
    for (let running = 0; running < 3; running += 1) {
      expect(shares.mayBegin('hostile')).toBe(true);
      shares.began('hostile');
    }
    expect(shares.mayBegin('hostile')).toBe(false);
    shares.ended('hostile', 500);
    expect(shares.mayBegin('hostile')).toBe(true);
  });

  it('of all tenants leave a core to a tenant with short jobs', () => {
    const shares = sharesOf(1);
    runs(shares, 'first', 500);
    runs(shares, 'second', 500);
    now += 20_000;
    shares.began('first');
    // Each has its core as long as nobody has short jobs.
    expect(shares.mayBegin('second')).toBe(true);
    for (let job = 0; job < 2; job += 1) runs(shares, 'quiet', 2);
    expect([shares.mayBegin('second'), shares.mayBegin('quiet')]).toEqual([false, true]);
    shares.ended('first', 500);
    expect(shares.mayBegin('second')).toBe(true);
  });

  it('may be the first ones of a tenant: it has one core until one of them has ended', () => {
    const shares = sharesOf(1);
    runs(shares, 'quiet', 2);
    expect(shares.mayBegin('new')).toBe(true);
    shares.began('new');
    expect([shares.mayBegin('new'), shares.kindOf('new')]).toEqual([false, 'unknown']);
    shares.ended('new', 1);
    shares.began('new');
    expect([shares.mayBegin('new'), shares.kindOf('new')]).toEqual([true, 'short']);
  });

  it('begin in turns of the pools', () => {
    const shares = sharesOf(1);
    const looks: string[] = [];
    const [one, other] = [() => looks.push('one'), () => looks.push('other')];
    shares.add(one);
    shares.add(other);
    runs(shares, 'hostile', 500);
    looks.length = 0;
    shares.began('hostile', one);
    shares.ended('hostile', 500);
    expect(looks).toEqual(['other', 'one']);
  });

  it('count as short again when the tenant’s jobs have become short', () => {
    const shares = sharesOf(1);
    runs(shares, 'quiet', 2);
    runs(shares, 'changed', 500);
    shares.began('changed');
    expect(shares.mayBegin('changed')).toBe(false);
    shares.ended('changed', 1);
    for (let job = 0; job < 15; job += 1) runs(shares, 'changed', 1);
    shares.began('changed');
    expect(shares.mayBegin('changed')).toBe(true);
  });

  it('notify every pool when one has ended, as does the first job of a tenant', () => {
    const shares = sharesOf(1);
    let looks = 0;
    const remove = shares.add(() => (looks += 1));
    runs(shares, 'short', 1);
    expect(looks).toBe(1);
    runs(shares, 'short', 1);
    expect(looks).toBe(1);
    runs(shares, 'hostile', 500);
    runs(shares, 'hostile', 500);
    expect(looks).toBe(3);
    remove();
    runs(shares, 'hostile', 500);
    expect(looks).toBe(3);
  });

  it('are forgotten with their tenants, except running ones', () => {
    const shares = sharesOf(1);
    runs(shares, 'hostile', 500);
    shares.began('hostile');
    for (let n = 0; n < 2_000; n += 1) runs(shares, `tenant-${n}`, 1);
    expect(shares.mayBegin('hostile')).toBe(false);
  });
});

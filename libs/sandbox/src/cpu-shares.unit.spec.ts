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

  it('notify every pool when one has ended', () => {
    const shares = sharesOf(1);
    let looks = 0;
    const remove = shares.add(() => (looks += 1));
    runs(shares, 'short', 1);
    expect(looks).toBe(0);
    runs(shares, 'hostile', 500);
    runs(shares, 'hostile', 500);
    expect(looks).toBe(1);
    remove();
    runs(shares, 'hostile', 500);
    expect(looks).toBe(1);
  });

  it('are forgotten with their tenants, except running ones', () => {
    const shares = sharesOf(1);
    runs(shares, 'hostile', 500);
    shares.began('hostile');
    for (let n = 0; n < 2_000; n += 1) runs(shares, `tenant-${n}`, 1);
    expect(shares.mayBegin('hostile')).toBe(false);
  });
});

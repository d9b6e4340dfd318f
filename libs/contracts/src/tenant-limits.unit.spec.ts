import { describe, expect, it } from '@jest/globals';
import { limitReached, tenantLimitsOf } from './tenant-limits.js';

describe('limits of a tenant', () => {
  it('are read by their names; null is absent and 0 means no limit', () => {
    const written = { weight: 2.5, starts_per_second: 0.5, websockets: null, unfinished_executions: 0 };
    expect(tenantLimitsOf(written)).toEqual({ weight: 2.5, startsPerSecond: 0.5, unfinishedExecutions: 0 });
  });

  it('give a tenant without a weight the default weight', () => {
    expect(tenantLimitsOf({ weight: 0 })).toEqual({ weight: 1 });
  });

  it.each([
    [{ starts: 5 }],
    [{ websockets: 1.5 }],
    [{ websockets: -1 }],
    [{ websockets: '5' }],
    [{ weight: 101 }],
    [{ starts_per_second: Number.NaN }],
  ])('are refused if a name or number is wrong: %j', (written) => {
    expect(tenantLimitsOf(written)).toBeUndefined();
  });

  it('name the reached limit in a refusal, and when a retry may succeed', () => {
    expect(limitReached('websockets', 5, 'full').details).toEqual({ limit: 'websockets', most: 5 });
    expect(limitReached('starts_per_second', 5, 'full', 12.3).details).toMatchObject({ retry_after_ms: 13 });
  });
});

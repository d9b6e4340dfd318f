import { describe, expect, it } from '@jest/globals';
import { nextAttemptAt, retryPolicy } from './retry.js';

const failure = (details?: object) => ({
  code: 'busy',
  message: 'Busy.',
  retryable: true,
  ...(details && { details }),
});
const policy = retryPolicy({ max_attempts: 3, backoff_ms: 1_000, jitter: 'none' });
const next = (details?: object): number | undefined =>
  nextAttemptAt(policy, failure(details) as never, 1, 0, 5_000, 7, 1);

describe('the next attempt', () => {
  it('waits as long as the failure asks, when that is longer than the policy says', () => {
    expect(next()).toBe(6_000);
    expect(next({ retry_after_ms: 200 })).toBe(6_000);
    expect(next({ retry_after_ms: 30_000 })).toBe(35_000);
  });

  it('does not wait for ever, nor for nonsense', () => {
    expect(next({ retry_after_ms: 1e300 })).toBe(5_000 + 86_400_000);
    for (const nonsense of [-1, Number.NaN, '30000', null]) expect(next({ retry_after_ms: nonsense })).toBe(6_000);
  });

  it('is not made when what was asked for is later than total_timeout_ms', () => {
    const limited = retryPolicy({ max_attempts: 3, total_timeout_ms: 20_000 });
    const asked = failure({ retry_after_ms: 30_000 });
    expect(nextAttemptAt(limited, asked as never, 1, 0, 5_000, 7, 1)).toBeUndefined();
  });
});

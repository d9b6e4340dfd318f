import type { Failure, Retry } from '@batuta/contracts';
import { uniform } from '../structures/random.js';

/** A step's retry policy with all defaults filled in. Times in milliseconds. */
export interface RetryPolicy {
  /** Includes the first attempt. */
  readonly maxAttempts: number;
  readonly backoffMs: number;
  readonly coefficient: number;
  readonly maxBackoffMs: number;
  readonly jitter: boolean;
  readonly nonRetryable: readonly string[];
  /** No attempt starts later than this after the first one was scheduled. 0 means no limit. */
  readonly totalTimeoutMs: number;
}

/** Milliseconds: the longest wait between attempts when a policy does not set max_backoff_ms. */
const DEFAULT_MAX_BACKOFF_MS = 3_600_000;

/** Milliseconds: a longer wait that a failure requests is reduced to this. */
const LONGEST_RETRY_AFTER_MS = 24 * 3_600_000;

export function retryPolicy(retry: Retry | undefined): RetryPolicy {
  return {
    maxAttempts: Math.max(1, retry?.max_attempts ?? 1),
    backoffMs: Math.max(0, retry?.backoff_ms ?? 0),
    coefficient: retry?.backoff_coefficient || 2,
    maxBackoffMs: retry?.max_backoff_ms || DEFAULT_MAX_BACKOFF_MS,
    jitter: retry?.jitter !== 'none',
    nonRetryable: retry?.non_retryable ?? [],
    totalTimeoutMs: retry?.total_timeout_ms ?? 0,
  };
}

/**
 * Epoch ms of the next attempt after `failures` failed attempts, or undefined when the policy allows none. Wait:
 * min(max_backoff_ms, backoff_ms × coefficient^(failures − 1)), with full jitter uniform from 0 to that
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). A failure may request a longer wait with
 * `details.retry_after_ms`, as servers do with `Retry-After`.
 */
export function nextAttemptAt(
  policy: RetryPolicy,
  failure: Failure,
  failures: number,
  firstScheduledAt: number,
  at: number,
  seed: number,
  salt: number,
): number | undefined {
  if (!failure.retryable || failures >= policy.maxAttempts || policy.nonRetryable.includes(failure.code)) {
    return undefined;
  }
  const ceiling = Math.min(policy.maxBackoffMs, policy.backoffMs * policy.coefficient ** (failures - 1));
  const wait = policy.jitter ? Math.floor(uniform(seed, salt, failures) * (ceiling + 1)) : Math.round(ceiling);
  const asked = failure.details?.['retry_after_ms'];
  const least = typeof asked === 'number' && asked > 0 ? Math.min(Math.ceil(asked), LONGEST_RETRY_AFTER_MS) : 0;
  const retryAt = at + Math.max(wait, least);
  if (policy.totalTimeoutMs > 0 && retryAt > firstScheduledAt + policy.totalTimeoutMs) {
    return undefined;
  }
  return retryAt;
}

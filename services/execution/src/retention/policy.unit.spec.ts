import { describe, expect, test } from '@jest/globals';
import type { RetentionPolicy } from '@batuta/contracts';
import { judged, youngest } from './policy.js';
import type { Ended, Measured } from './policy.js';

const DAY = 86_400_000;
const NOW = 1_000 * DAY;

const policy = (name: string, more: Partial<RetentionPolicy>): RetentionPolicy => ({
  name,
  action: 'delete',
  version: 1,
  createdAt: 0,
  updatedAt: 0,
  updatedBy: 'ann',
  ...more,
});
const measured = (name: string, more: Partial<RetentionPolicy>, beyond?: Measured['beyond']): Measured => ({
  policy: policy(name, more),
  beyond,
});
const ended = (daysAgo: number, more: Partial<Ended> = {}): Ended => ({
  id: 'e',
  configId: 'c',
  status: 'completed',
  createdAt: NOW - daysAgo * DAY - 10,
  endedAt: NOW - daysAgo * DAY,
  ...more,
});
const verdict = (policies: readonly Measured[], execution: Ended): string | undefined =>
  judged(policies, execution, NOW)?.policy.name;

describe('a policy', () => {
  test('with an age takes executions that ended that long ago, to the millisecond', () => {
    const month = [measured('month', { olderThanMs: 30 * DAY })];
    expect(verdict(month, ended(30))).toBe('month');
    expect(verdict(month, { ...ended(30), endedAt: NOW - 30 * DAY + 1 })).toBeUndefined();
    expect(judged(month, ended(31), NOW)?.since).toBe(NOW - DAY);
  });

  test('with statuses leaves all others alone', () => {
    const failed = [measured('failed', { statuses: ['failed', 'cancelled'], olderThanMs: DAY })];
    expect(verdict(failed, ended(2, { status: 'failed' }))).toBe('failed');
    expect(verdict(failed, ended(2))).toBeUndefined();
  });

  test('with a count takes executions that are not among the newest, and with an age too only those that are old enough', () => {
    const beyond = { createdAt: NOW - 5 * DAY, id: 'm' };
    const few = [measured('few', { keepNewest: 2 }, beyond)];
    expect(verdict(few, ended(4))).toBeUndefined();
    expect(verdict(few, ended(6))).toBe('few');
    expect(verdict(few, ended(0, { createdAt: beyond.createdAt, id: 'm' }))).toBe('few');
    expect(verdict(few, ended(0, { createdAt: beyond.createdAt, id: 'n' }))).toBeUndefined();
    expect(verdict([measured('few', { keepNewest: 2 })], ended(900))).toBeUndefined();
    expect(verdict([measured('both', { keepNewest: 2, olderThanMs: 10 * DAY }, beyond)], ended(6))).toBeUndefined();
  });

  test('that names a config decides alone about its executions', () => {
    const policies = [
      measured('all', { olderThanMs: DAY }),
      measured('long', { configId: 'c', olderThanMs: 90 * DAY }),
    ];
    expect(verdict(policies, ended(50))).toBeUndefined();
    expect(verdict(policies, ended(91))).toBe('long');
    expect(verdict(policies, ended(2, { configId: 'other' }))).toBe('all');
  });

  test('whose time comes first decides what happens', () => {
    const policies = [measured('b', { olderThanMs: 9 * DAY }), measured('a', { olderThanMs: 3 * DAY })];
    expect(verdict(policies, ended(20))).toBe('a');
    expect(youngest(policies, NOW)).toBe(NOW - 3 * DAY);
  });
});

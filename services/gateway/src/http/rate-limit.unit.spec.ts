import { describe, expect, it } from '@jest/globals';
import { limitReached } from '@batuta/contracts';
import { problemOfRefusal } from './problem.js';
import { admittedHeaders } from './rate-limit.js';

describe('the headers of limits', () => {
  it('say of a rate how much is left, and when there is more', () => {
    expect(admittedHeaders({ startsPerSecond: 50, startsLeft: 12 })).toEqual({
      'ratelimit-policy': '"starts_per_second";q=50;w=1',
      ratelimit: '"starts_per_second";r=12;t=1',
    });
  });

  it('are absent when nothing is limited by time', () => {
    expect(admittedHeaders({ startsPerSecond: 0, startsLeft: 0 })).toEqual({});
  });

  it('have whole numbers for less than one a second', () => {
    const problem = problemOfRefusal(limitReached('starts_per_second', 0.25, 'one in four seconds', 3_400));
    expect(problem.getStatus()).toBe(429);
    expect(problem.headers()).toMatchObject({
      'ratelimit-policy': '"starts_per_second";q=1;w=4',
      ratelimit: '"starts_per_second";r=0;t=4',
      'retry-after': '4',
    });
  });

  it('promise no time where time does not help', () => {
    const headers = problemOfRefusal(limitReached('websockets', 3, 'full')).headers();
    expect(headers).toMatchObject({
      'ratelimit-policy': '"websockets";q=3;qu="concurrent-requests"',
      ratelimit: '"websockets";r=0',
    });
    expect(headers).not.toHaveProperty('retry-after');
  });
});

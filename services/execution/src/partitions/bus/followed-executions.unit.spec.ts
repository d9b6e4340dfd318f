import { describe, expect, it } from '@jest/globals';
import { FollowedExecutions } from './followed-executions.js';

function followed(most?: number) {
  const clock = { now: 0, elapsed: () => clock.now };
  const executions = new FollowedExecutions(clock, most);
  const follow = (forMs: number, ...executionIds: string[]): void =>
    executions.heard(JSON.stringify({ executionIds, forMs }));
  return { clock, executions, follow };
}

describe('the executions that somebody follows', () => {
  it('are those that were asked for, as long as they are asked for again in time', () => {
    const { clock, executions, follow } = followed();
    expect(executions.has('a')).toBe(false);
    follow(100, 'a', 'b');
    clock.now = 99;
    expect([executions.has('a'), executions.has('b'), executions.has('c')]).toEqual([true, true, false]);
    follow(100, 'a');
    clock.now = 100;
    expect([executions.has('a'), executions.has('b')]).toEqual([true, false]);
    clock.now = 199;
    expect(executions.has('a')).toBe(false);
  });

  it('are never asked for over a shorter time than before', () => {
    const { clock, executions, follow } = followed();
    follow(100, 'a');
    follow(10, 'a');
    clock.now = 50;
    expect(executions.has('a')).toBe(true);
  });

  it('are all of them while there are more than can be remembered', () => {
    const { clock, executions, follow } = followed(2);
    follow(100, 'a', 'b', 'c');
    expect(['a', 'b', 'c', 'd'].map((id) => executions.has(id))).toEqual([true, true, true, true]);
    clock.now = 100;
    executions.sweep();
    expect(['a', 'c', 'd'].map((id) => executions.has(id))).toEqual([false, false, false]);
    // Forgotten entries make room.
    follow(100, 'e', 'f');
    expect(['a', 'e', 'f'].map((id) => executions.has(id))).toEqual([false, true, true]);
  });

  it('refuse a message that is not valid', () => {
    expect(() => followed().executions.heard('no JSON')).toThrow(SyntaxError);
  });
});

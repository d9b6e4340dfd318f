import { beforeEach, describe, expect, it } from '@jest/globals';
import { WaitingElsewhere } from './waiting-elsewhere.js';

describe('tasks that wait with other owners', () => {
  let now = 0;
  const clock = { elapsed: () => now };
  let one: WaitingElsewhere;
  let other: WaitingElsewhere;

  beforeEach(() => {
    now = 0;
    one = new WaitingElsewhere(clock, 'one');
    other = new WaitingElsewhere(clock, 'other');
  });

  it('are the sum of the last notices of the others, without its own', () => {
    const third = new WaitingElsewhere(clock, 'third');
    const said = [
      one.notice([['default', 2]]) ?? '',
      other.notice([
        ['default', 3],
        ['text', 1],
      ]) ?? '',
    ];
    for (const text of said) for (const each of [one, other, third]) each.heard(text);
    expect([one.in('default'), other.in('default'), third.in('default')]).toEqual([3, 2, 5]);
    expect([one.in('text'), other.in('text')]).toEqual([1, 0]);
    third.heard(other.notice([['default', 4]]) ?? '');
    expect([third.in('default'), third.in('text')]).toEqual([6, 0]);
  });

  it('are reported once more when nothing waits any more, and then not again', () => {
    expect(one.notice([])).toBeUndefined();
    other.heard(one.notice([['default', 2]]) ?? '');
    const nothing = one.notice([['default', 0]]);
    expect(nothing).toBeDefined();
    other.heard(nothing ?? '');
    expect(other.in('default')).toBe(0);
    expect(one.notice([['default', 0]])).toBeUndefined();
  });

  it('do not count when their owner is silent', () => {
    other.heard(one.notice([['default', 2]]) ?? '');
    now = 3_000;
    expect(other.in('default')).toBe(2);
    now = 3_001;
    expect(other.in('default')).toBe(0);
  });

  it('are not read from a message that is not a notice', () => {
    for (const text of ['', '{}', '{"owner":"a b","pools":{}}', '{"owner":"a","pools":null}']) {
      expect(() => one.heard(text)).toThrow(/./);
    }
    one.heard('{"owner":"a","pools":{"default":-1,"text":"many"}}');
    expect([one.in('default'), one.in('text')]).toEqual([0, 0]);
  });
});

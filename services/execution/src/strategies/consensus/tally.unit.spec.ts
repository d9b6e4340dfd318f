import { describe, expect, test } from '@jest/globals';
import { tally, type Ballot, type TallyRules } from './tally.js';

const base: TallyRules = { mode: 'majority', threshold: 0.8, thresholdSet: false, onTie: 'fail', earlyStop: false };

/** `x`: a vote for x; `?`: open; `-`: failed; `s`: skipped. */
function ballots(text: string, weights: readonly number[] = []): Ballot[] {
  return text.split('').map((letter, member) => ({
    member,
    ballot: letter === '?' ? 'open' : letter === '-' || letter === 's' ? 'none' : 'cast',
    excluded: letter === '-' ? 'failed' : letter === 's' ? 'skipped' : '',
    text: letter,
    weight: weights[member] ?? 1,
    score: letter >= '0' && letter <= '9' ? Number(letter) : 0,
  }));
}

function outcome(rules: Partial<TallyRules>, votes: string, verdict?: number, weights: readonly number[] = []): string {
  const result = tally({ ...base, ...rules }, ballots(votes, weights), verdict);
  switch (result.kind) {
    case 'reached':
      return `${result.decidedBy} ${result.winners.join('+')}`;
    case 'judge':
      return `judge among ${result.candidates.join('+')}`;
    case 'open':
    case 'skipped':
    case 'failed':
      return result.kind;
    default:
      return result satisfies never;
  }
}

describe('the count of votes', () => {
  test.each([
    ['quorum', {}, 'xxxx-', 'threshold 0+1+2+3'],
    ['quorum', {}, 'xxx--', 'failed'],
    ['quorum', {}, 'xxxx?', 'open'],
    ['quorum', { earlyStop: true }, 'xxxx?', 'threshold 0+1+2+3'],
    ['quorum', { earlyStop: true }, 'xx--?', 'failed'],
    ['quorum', {}, 'xxxxss', 'threshold 0+1+2+3'],
    ['quorum', {}, 'sss', 'skipped'],
    ['majority', {}, 'xxy', 'threshold 0+1'],
    ['majority', {}, 'xxyz', 'failed'],
    ['majority', {}, 'xx--', 'failed'],
    ['majority', {}, 'xxyy', 'failed'],
    ['majority', { onTie: 'first' as const }, 'yxxy', 'first 0+3'],
    ['majority', { onTie: 'judge' as const }, 'yxxy', 'judge among 0+1'],
    ['majority', { threshold: 0.5, thresholdSet: true }, 'xxyz', 'threshold 0+1'],
    ['majority', {}, '---', 'failed'],
    ['majority', { earlyStop: true }, 'xxx??', 'threshold 0+1+2'],
    ['majority', { earlyStop: true }, 'xx???', 'open'],
    ['majority', { earlyStop: true }, 'xyz-?', 'failed'],
    ['majority', { earlyStop: true, onTie: 'first' as const }, 'xyz-?', 'open'],
    ['majority', { earlyStop: true, onTie: 'first' as const }, 'xx----?', 'failed'],
    ['majority', { earlyStop: true, onTie: 'judge' as const }, 'xx--?', 'open'],
    ['majority', { earlyStop: true, onTie: 'judge' as const }, 'xxy---?', 'open'],
    ['unanimous', {}, 'xxx', 'threshold 0+1+2'],
    ['unanimous', {}, 'xx-', 'failed'],
    ['unanimous', {}, 'xxs', 'threshold 0+1'],
    ['unanimous', { earlyStop: true }, 'xy?', 'failed'],
    ['unanimous', { earlyStop: true }, '-??', 'failed'],
    ['unanimous', { earlyStop: true }, 'xx?', 'open'],
    ['best', {}, '392', 'score 1'],
    ['best', {}, '99', 'failed'],
    ['best', { onTie: 'first' as const }, '1991', 'first 1'],
    ['best', { earlyStop: true }, '9?', 'open'],
    ['best', {}, '--', 'failed'],
    ['judge', {}, 'xy-', 'judge among 0+1'],
    ['judge', {}, '---', 'failed'],
    ['judge', { earlyStop: true }, 'xy?', 'open'],
  ])('%s %j of %s: %s', (mode, rules, votes, expected) => {
    expect(outcome({ ...rules, mode: mode as TallyRules['mode'] }, votes)).toBe(expected);
  });

  test('weighs votes, and a heavy member can outvote two', () => {
    expect(outcome({ mode: 'weighted' }, 'xyy', undefined, [5, 1, 1])).toBe('threshold 0');
    expect(outcome({ mode: 'weighted' }, 'xyy', undefined, [2, 1, 1])).toBe('failed');
    expect(outcome({ mode: 'weighted', earlyStop: true }, 'x??', undefined, [5, 1, 1])).toBe('threshold 0');
    expect(outcome({ mode: 'weighted', earlyStop: true }, '-?', undefined, [2, 0])).toBe('failed');
    // The last member may be skipped too, and a group without counted members is skipped, not failed.
    expect(outcome({ mode: 'weighted', earlyStop: true }, 's?', undefined, [2, 0])).toBe('open');
    expect(outcome({ mode: 'weighted', onTie: 'first' }, '-xy', undefined, [2, 0, 0])).toBe('failed');
    expect(outcome({ mode: 'weighted', onTie: 'judge' }, 'sxy', undefined, [2, 0, 0])).toBe('failed');
  });

  test('takes the word of the judge only when it names a candidate', () => {
    expect(outcome({ mode: 'judge' }, 'xyz', 2)).toBe('judge 2');
    expect(outcome({ mode: 'judge' }, 'x-z', 1)).toBe('failed');
    expect(outcome({ onTie: 'judge' }, 'xyxy', 1)).toBe('judge 1+3');
    expect(outcome({ onTie: 'judge' }, 'xyxyz', 4)).toBe('failed');
  });

  test('counts four of five as 0.8 whatever the rounding', () => {
    expect(outcome({ mode: 'quorum', threshold: 0.1 + 0.7 }, 'xxxx-')).toBe('threshold 0+1+2+3');
  });
});

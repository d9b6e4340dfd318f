import { describe, expect, it } from '@jest/globals';
import { expressionIn, expressionsOf } from './mapping.js';

describe('expressionIn', () => {
  it.each([
    ['{% a.b %}', 'a.b'],
    ['{%a%}', 'a'],
    ['{%%}', ''],
    ['{%}', undefined],
    ['x {% a %}', undefined],
    ['a', undefined],
  ])('reads %j', (text, expected) => {
    expect(expressionIn(text)).toBe(expected);
  });
});

describe('expressionsOf', () => {
  it('names the place of each expression in document order', () => {
    const mapping = { a: '{% x %}', 'b/c': [1, 'plain', { '~': '{% y %}' }], d: null };
    expect(expressionsOf(mapping)).toEqual([
      { path: '/a', expression: 'x' },
      { path: '/b~1c/2/~0', expression: 'y' },
    ]);
  });
});

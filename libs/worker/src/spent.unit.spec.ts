import { describe, expect, it } from '@jest/globals';
import { spentOf } from './spent.js';

describe('spentOf', () => {
  it.each<[string, unknown, unknown]>([
    ['tokens and cost', { text: 'x', _tokens: 12, _cost: 0.5 }, { _tokens: 12, _cost: 0.5 }],
    ['tokens of both kinds', { _tokens: { input: 3, output: 4, cached: 9 } }, { _tokens: { input: 3, output: 4 } }],
    ['tokens of one kind', { _tokens: { input: 0, output: 4 } }, { _tokens: { output: 4 } }],
    ['values of another form', { _tokens: 'many', _cost: Number.NaN }, undefined],
    ['values that JSON cannot represent', { _tokens: 1n, _cost: Number.POSITIVE_INFINITY }, undefined],
    ['no object', 'text', undefined],
    ['nothing', undefined, undefined],
  ])('takes %s from an output that is refused', (_, output, spent) => {
    expect(spentOf(output)).toEqual(spent);
  });

  it('never throws', () => {
    const hostile = {
      get _tokens(): number {
        throw new Error('no access');
      },
    };
    expect(spentOf(hostile)).toBeUndefined();
  });
});

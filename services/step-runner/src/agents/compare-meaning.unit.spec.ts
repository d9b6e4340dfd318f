import { describe, expect, it } from '@jest/globals';
import { similarity } from './compare-meaning.js';

describe('the similarity of embeddings', () => {
  it.each([
    ['equal texts', [1, 2, 3], [1, 2, 3], 1],
    ['the same direction', [1, 0], [7, 0], 1],
    ['half a right angle', [1, 0], [1, 1], 0.7071],
    ['nothing in common', [1, 0], [0, 1], 0],
    ['the opposite', [1, 0], [-1, 0], 0],
    ['a vector of zeros', [0, 0], [1, 1], 0],
  ])('of %s', (_, a, b, expected) => {
    expect(similarity(a, b)).toBe(expected);
  });
});

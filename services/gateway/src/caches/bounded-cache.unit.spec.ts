import { describe, expect, it } from '@jest/globals';
import { BoundedCache } from './bounded-cache.js';

describe('BoundedCache', () => {
  it('removes the entry that was unused for longest', () => {
    const cache = new BoundedCache<string, number>(2);
    cache.set('a', 1);
    cache.set('b', 2);
    expect(cache.get('a')).toBe(1);
    cache.set('c', 3);
    expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([1, undefined, 3]);
  });

  it('counts every use, also of entries that were just used, deleted or removed before', () => {
    const cache = new BoundedCache<string, number>(2);
    cache.set('a', 1);
    cache.get('a');
    cache.set('b', 2);
    cache.get('a');
    cache.get('a');
    cache.set('c', 3);
    expect([cache.get('a'), cache.get('b')]).toEqual([1, undefined]);
    cache.delete('a');
    cache.set('d', 4);
    cache.set('a', 5);
    expect([cache.get('a'), cache.get('c'), cache.get('d')]).toEqual([5, undefined, 4]);
    cache.clear();
    expect([cache.size, cache.get('d')]).toEqual([0, undefined]);
    cache.set('d', 6);
    expect(cache.get('d')).toBe(6);
  });
});

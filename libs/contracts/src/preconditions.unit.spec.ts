import { describe, expect, it } from '@jest/globals';
import { etagOf, preconditionRefusal } from './preconditions.js';
import type { Preconditions } from './common.js';

const current = { etag: '2-abc', version: 2 };

describe('preconditions of a change', () => {
  it.each<[string, Preconditions | undefined, boolean, boolean]>([
    ['none', undefined, true, true],
    ['If-Match with the tag', { ifMatch: { tags: ['1-x', '2-abc'] } }, true, false],
    ['If-Match with other tags', { ifMatch: { tags: ['1-x'] } }, false, false],
    ['If-Match with no strong tag', { ifMatch: { tags: [] } }, false, false],
    ['If-Match: *', { ifMatch: { any: true } }, true, false],
    ['If-None-Match with the tag', { ifNoneMatch: { tags: ['2-abc'] } }, false, true],
    ['If-None-Match with other tags', { ifNoneMatch: { tags: ['1-x'] } }, true, true],
    ['If-None-Match: *', { ifNoneMatch: { any: true } }, false, true],
    ['both, which hold', { ifMatch: { any: true }, ifNoneMatch: { tags: ['1-x'] } }, true, false],
  ])('%s', (_, preconditions, there, notThere) => {
    expect(preconditionRefusal(preconditions, current)?.code).toBe(there ? undefined : 'version_conflict');
    expect(preconditionRefusal(preconditions, undefined)?.code).toBe(notThere ? undefined : 'version_conflict');
  });

  it('tells the present state', () => {
    expect(preconditionRefusal({ ifMatch: { tags: ['1'] } }, current)?.details).toEqual({
      current_etag: '"2-abc"',
      current_version: 2,
    });
  });

  it('gives different tags to different contents', () => {
    expect(etagOf({ a: 1 })).toBe(etagOf({ a: 1 }));
    expect(etagOf({ a: 1 })).not.toBe(etagOf({ a: 2 }));
    expect(etagOf({ a: 1 }, 3)).toMatch(/^3-[\w-]{16}$/);
  });
});

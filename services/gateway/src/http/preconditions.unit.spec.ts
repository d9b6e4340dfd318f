import { describe, expect, it } from '@jest/globals';
import { codedTag, isKnown, preconditionsOf, tagsOf } from './preconditions.js';

const wrong = expect.objectContaining({ code: 'validation_failed' }) as unknown as Error;

describe('If-Match and If-None-Match', () => {
  it.each<[string, string | string[] | undefined, ReturnType<typeof tagsOf>]>([
    ['nothing', undefined, undefined],
    ['*', ' * ', '*'],
    ['one tag', '"3-abc"', [{ weak: false, opaque: '3-abc' }]],
    ['a weak one', 'W/"3"', [{ weak: true, opaque: '3' }]],
    ['an empty tag', '""', [{ weak: false, opaque: '' }]],
    [
      'a list with empty elements',
      ', "1" ,W/"2",,"3"\t,',
      [
        { weak: false, opaque: '1' },
        { weak: true, opaque: '2' },
        { weak: false, opaque: '3' },
      ],
    ],
    ['commas, stars and slashes within a tag', '"a,*W/b"', [{ weak: false, opaque: 'a,*W/b' }]],
    [
      'several headers',
      ['"1"', '"2"'],
      [
        { weak: false, opaque: '1' },
        { weak: false, opaque: '2' },
      ],
    ],
  ])('reads %s', (_, header, expected) => {
    expect(tagsOf('If-Match', header)).toEqual(expected);
  });

  it.each(['', ',', '3', "'3'", '"3', '3"', 'w/"3"', 'W/3', '"1" "2"', '"1", *', '*, *', '"a b"', 'W/ "3"'])(
    'refuses %j',
    (header) => {
      expect(() => tagsOf('If-Match', header)).toThrow(wrong);
    },
  );

  it('compares If-Match strongly and If-None-Match weakly', () => {
    expect(preconditionsOf({})).toBeUndefined();
    expect(preconditionsOf({ 'if-match': 'W/"1", "2"', 'if-none-match': 'W/"3", "4"' })).toEqual({
      ifMatch: { tags: ['2'] },
      ifNoneMatch: { tags: ['3', '4'] },
    });
    expect(preconditionsOf({ 'if-match': '*', 'if-none-match': '*' })).toEqual({
      ifMatch: { any: true },
      ifNoneMatch: { any: true },
    });
  });

  it('accepts the tag of a compressed answer as that of the resource', () => {
    const coded = codedTag('"2-abc"', 'gzip');
    expect(coded).toBe('"2-abc-gzip"');
    expect(preconditionsOf({ 'if-match': `${coded}, ${codedTag('"1"', 'br')}` })).toEqual({
      ifMatch: { tags: ['2-abc', '1'] },
    });
    expect(isKnown(coded, '"2-abc"')).toBe(true);
  });

  it('recognises the tag that a reader has', () => {
    expect(['*', '"1"', 'W/"1"', '"0", W/"1"'].map((header) => isKnown(header, '"1"'))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect([undefined, '"2"', 'nonsense'].map((header) => isKnown(header, '"1"'))).toEqual([false, false, false]);
    expect(isKnown('"1"', 'W/"1"')).toBe(true);
  });
});

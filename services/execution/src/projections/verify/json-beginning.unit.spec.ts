import { describe, expect, it } from '@jest/globals';
import type { JsonValue } from '@batuta/contracts';
import { isBeginningOf } from './json-beginning.js';

const VALUE: JsonValue = {
  list: [{ ms: 200, n: 1 }, null, true, 'a "b" \\ \u00e9'],
  'k"ey': { deep: [[], {}] },
  last: -1.5e-7,
};
const OTHER_ORDER =
  '{"last":-1.5e-7,"k\\"ey":{"deep":[[],{}]},"list":[{"n":1,"ms":200},null,true,"a \\"b\\" \\\\ \u00e9"]}';

describe('the beginning of a JSON text', () => {
  it('is one of each length, with keys in any order', () => {
    for (const text of [JSON.stringify(VALUE), OTHER_ORDER]) {
      expect(JSON.parse(text)).toEqual(VALUE);
      for (let length = 0; length <= text.length; length += 1) {
        expect({ text: text.slice(0, length), is: isBeginningOf(text.slice(0, length), VALUE) }).toMatchObject({
          is: true,
        });
      }
    }
  });

  it('is none after any character was changed, or with anything behind', () => {
    for (let at = 0; at < OTHER_ORDER.length; at += 1) {
      const changed = `${OTHER_ORDER.slice(0, at)}\u0001${OTHER_ORDER.slice(at + 1)}`;
      expect({ changed, is: isBeginningOf(changed, VALUE) }).toMatchObject({ is: false });
    }
    expect(isBeginningOf(`${OTHER_ORDER} `, VALUE)).toBe(false);
  });

  it('has each key once, and no item that is not there', () => {
    expect(isBeginningOf('{"a":1,"a":1', { a: 1, b: 2 })).toBe(false);
    expect(isBeginningOf('{"c', { a: 1, b: 2 })).toBe(false);
    expect(isBeginningOf('[1,2,3', [1, 2])).toBe(false);
    expect(isBeginningOf('12', 1)).toBe(false);
  });
});

import { describe, expect, it } from '@jest/globals';
import { jsonErrorOffset, parseJsonText } from './json-text.js';

describe('the offset of a JSON mistake', () => {
  it.each([
    ['', 0],
    ['   ', 3],
    ['{', 1],
    ['{}}', 2],
    ['[1,]', 3],
    ['{"a":1,}', 7],
    ["{'a':1}", 1],
    ['tru', 0],
    ['-', 0],
    ['1.', 1],
    ['"abc', 4],
    ['"\\u12G4"', 1],
    ['"tab\there"', 4],
    ['[[[', 3],
    ['{"a":}', 5],
    ['{"a"}', 4],
    ['1 2', 2],
    ['\u00a01', 0],
  ])('in %j is %i', (text, offset) => {
    expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError);
    expect(jsonErrorOffset(text)).toBe(offset);
  });

  it.each(['{}', '[]', ' [1, {"a": [true, null, -0.5e+3]}, "\\ud83d\\ude00/\\/"] ', '0', '"x"', '{"a":{"b":[]}}'])(
    'is undefined for %s',
    (text) => {
      expect(jsonErrorOffset(text)).toBeUndefined();
    },
  );

  it('does not exhaust the stack, whatever the nesting or length', () => {
    expect(jsonErrorOffset('['.repeat(1_000_000))).toBe(1_000_000);
    expect(jsonErrorOffset(`"${'x'.repeat(1_000_000)}`)).toBe(1_000_001);
  });
});

describe('JSON from outside', () => {
  const parse = (text: string): unknown => parseJsonText(Buffer.from(text));

  it('gives the value, without a byte order mark', () => {
    expect(parse('\ufeff{"a":[1,"\\u00e9"]}')).toEqual({ a: [1, 'é'] });
  });

  it('allows exactly 64 levels', () => {
    expect(() => parse('['.repeat(64) + ']'.repeat(64))).not.toThrow();
    expect(() => parse('['.repeat(65) + ']'.repeat(65))).toThrow(/64 deep/);
  });

  it('names every forbidden key by its path', () => {
    expect(() => parse('{"a/b":{"__proto__":1},"c":[{"constructor":1}]}')).toThrow(
      expect.objectContaining({
        code: 'forbidden_key',
        extra: {
          errors: [
            expect.objectContaining({ path: '/a~1b/__proto__' }),
            expect.objectContaining({ path: '/c/0/constructor' }),
          ],
        },
      }) as unknown as Error,
    );
  });

  it('stops after 100 mistakes', () => {
    const many = JSON.stringify(Array.from({ length: 500 }, () => '\0'));
    let errors: readonly unknown[] | undefined;
    try {
      parse(many);
    } catch (error) {
      errors = (error as { extra: { errors: unknown[] } }).extra.errors;
    }
    expect(errors).toHaveLength(100);
  });
});

import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { JsonValue } from '@batuta/contracts';
import { encodeJson, mayHoldUnstorable, storableJson } from './encode-json.js';

const anyText = fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) });
const anyJson = fc.jsonValue({ stringUnit: 'binary' }).map((value) => value as JsonValue);

it('leaves no NUL and no lone surrogate in any key or value', () => {
  fc.assert(
    fc.property(fc.dictionary(anyText, fc.array(anyText)), (value) => {
      const encoded = encodeJson(value);
      expect(encoded).not.toContain('\n');
      expect(mayHoldUnstorable(JSON.stringify(storableJson(value as JsonValue)))).toBe(
        // Text that contains a backslash before "u0000" still looks like an escape.
        /\\\\u(?:0000|[dD][89a-fA-F])/.test(encoded) && mayHoldUnstorable(encoded),
      );
      const decoded = JSON.parse(encoded) as Record<string, string[]>;
      for (const text of Object.entries(decoded).flat(2)) {
        expect(text.isWellFormed()).toBe(true);
        expect(text).not.toContain('\u0000');
      }
    }),
  );
});

it('does not change values that can be stored', () => {
  fc.assert(
    fc.property(anyJson, (value) => {
      const clean = storableJson(value);
      expect(storableJson(clean)).toBe(clean);
    }),
  );
});

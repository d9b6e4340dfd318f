import { describe, expect, it } from '@jest/globals';
import { propertyRuns } from '@batuta/testing';
import fc from 'fast-check';
import { jsonErrorOffset, parseJsonText } from './json-text.js';

const parses = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

describe('JSON text', () => {
  it('has a mistake for the scanner exactly when JSON.parse finds one', () => {
    const broken = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom('', ',', '}', ']', '"', '\\', '{', ':', '\u0001', 'e', '-', '.'))
      .map(([text, at, put]) => {
        const place = text.length === 0 ? 0 : at % text.length;
        return text.slice(0, place) + put + text.slice(place + 1);
      });
    fc.assert(
      fc.property(fc.oneof(broken, fc.string(), fc.json()), (text) => {
        const offset = jsonErrorOffset(text);
        expect(offset === undefined).toBe(parses(text));
        if (offset !== undefined) expect(offset).toBeLessThanOrEqual(text.length);
      }),
      { numRuns: propertyRuns(3000) },
    );
  });

  it('gives the same value as JSON.parse, unless it is refused', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        let parsed: unknown;
        try {
          parsed = parseJsonText(Buffer.from(text));
        } catch (error) {
          expect((error as { code: string }).code).toMatch(/^(?:forbidden_key|validation_failed|too_deep)$/);
          return;
        }
        expect(parsed).toEqual(JSON.parse(text));
      }),
    );
  });
});

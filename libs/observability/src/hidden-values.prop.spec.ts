import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { HiddenValues } from './hidden-values.js';

// Few letters, so that values share beginnings and ends with each other and with themselves.
const value = fc.string({ unit: fc.constantFrom('a', 'b', 'B', '"'), minLength: 8, maxLength: 20 });
const noise = fc.string({ unit: fc.constantFrom('a', 'b', 'x', ' '), maxLength: 12 });

describe('texts with values', () => {
  it('hold none of them afterwards, whole or cut by an end, and stay as they are without any', () => {
    const texts = fc.array(value, { minLength: 1, maxLength: 5 }).chain((values) =>
      fc.record({
        values: fc.constant(values),
        parts: fc.array(fc.oneof(noise, fc.constantFrom(...values)), { maxLength: 6 }),
        from: fc.nat(6),
        to: fc.nat(6),
      }),
    );
    fc.assert(
      fc.property(texts, ({ values, parts, from, to }) => {
        const whole = parts.join('');
        const text = whole.slice(from, whole.length - to);
        const hidden = new HiddenValues(values);
        const shown = hidden.text(text).toLowerCase();
        const lower = text.toLowerCase();
        let holds = false;
        for (const each of values.map((one) => one.toLowerCase())) {
          expect(shown).not.toContain(each);
          holds ||= lower.includes(each);
          for (let length = 6; length < each.length; length += 1) {
            const cut = lower.endsWith(each.slice(0, length)) || lower.startsWith(each.slice(-length));
            holds ||= cut;
          }
          if (lower.endsWith(each.slice(0, 6))) expect(shown.endsWith(each.slice(0, 6))).toBe(false);
          if (lower.startsWith(each.slice(-6))) expect(shown.startsWith(each.slice(-6))).toBe(false);
        }
        if (holds) expect(shown).toContain('***');
        // A form of JSON is longer than its value, so only texts without quotation marks tell that nothing is hidden.
        else if (!/["\\]/.test(values.join(''))) expect(hidden.text(text)).toBe(text);
      }),
      { numRuns: 400 },
    );
  });
});

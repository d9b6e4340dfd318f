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

  it('hold none of them when they come in pieces, and nothing else is hidden', () => {
    const texts = fc.array(value, { minLength: 1, maxLength: 4 }).chain((values) =>
      fc.record({
        values: fc.constant(values),
        parts: fc.array(fc.oneof(noise, fc.constantFrom(...values)), { maxLength: 6 }),
        sizes: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
      }),
    );
    fc.assert(
      fc.property(texts, ({ values, parts, sizes }) => {
        // Neither end of the text is an end of a value.
        const text = `x ${parts.join('')} x`;
        const stream = new HiddenValues(values).stream();
        let shown = '';
        for (let at = 0, n = 0; at < text.length; n += 1) {
          const size = sizes[n % sizes.length] ?? 1;
          shown += stream.push(text.slice(at, at + size));
          at += size;
        }
        shown += stream.end();
        const lower = text.toLowerCase();
        const isHidden = Array.from(text, () => false);
        for (const each of values.flatMap((one) => [one, JSON.stringify(one).slice(1, -1)])) {
          const form = each.toLowerCase();
          for (let at = lower.indexOf(form); at >= 0; at = lower.indexOf(form, at + 1)) {
            isHidden.fill(true, at, at + form.length);
          }
        }
        const kept = Array.from(text).filter((_, at) => isHidden[at] !== true);
        if (!/["\\]/.test(values.join(''))) expect(shown.replaceAll('*', '')).toBe(kept.join(''));
        for (const each of values) expect(shown.toLowerCase()).not.toContain(each.toLowerCase());
      }),
      { numRuns: 400 },
    );
  });
});

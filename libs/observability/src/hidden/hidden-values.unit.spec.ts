import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { hiddenNow, hideEverywhere } from './hide-everywhere.js';
import { HiddenValues } from './hidden-values.js';

const VALUE = 'tök/en+"s3cret"=&<x>';
const hidden = new HiddenValues([VALUE]);

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Milliseconds that this process has computed since then. Other programs do not make them more. */
function spentMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1_000;
}

describe('values that are hidden', () => {
  it.each([
    ['itself', VALUE],
    ['JSON', JSON.stringify({ a: VALUE })],
    ['JSON in JSON', JSON.stringify(JSON.stringify({ a: VALUE }))],
    ['a URL', `https://example.org/?a=${encodeURIComponent(VALUE)}&b`],
    ['a URL that is quoted in JSON', JSON.stringify(`https://example.org/?a=${encodeURIComponent(VALUE)}`)],
    ['a form', new URLSearchParams({ a: VALUE }).toString()],
    ['a URL that is encoded once more', encodeURIComponent(encodeURIComponent(VALUE))],
    ['upper case', VALUE.toUpperCase()],
    ['Base64', base64(VALUE)],
    ['Base64 with one byte before', base64(`u${VALUE}`)],
    ['Base64 with two bytes before', base64(`ab${VALUE}`)],
    ['Base64 with a user before and more behind', base64(`admin:${VALUE}:more`)],
    ['Base64 for URLs', Buffer.from(`a${VALUE}`).toString('base64url')],
    ['Base64 in a URL', encodeURIComponent(base64(`ab${VALUE}c`))],
    ['hexadecimal digits', Buffer.from(VALUE).toString('hex')],
    ['HTML', '<p>tök/en+&quot;s3cret&quot;=&amp;&lt;x&gt;</p>'],
    ['HTML of another kind', '<p>tök/en+&#34;s3cret&#34;=&amp;&lt;x&gt;</p>'],
    ['bytes read as Latin-1', Buffer.from(VALUE).toString('latin1')],
  ])('are removed from a text that contains them as %s', (_, text) => {
    const shown = hidden.text(`before ${text} after`);
    expect(shown).toContain('***');
    expect(shown).not.toContain(text);
    for (const part of ['s3cret', base64('s3cret').slice(0, 6), '7333637265']) expect(shown).not.toContain(part);
    expect(shown).toMatch(/^before .* after$/);
  });

  it('are removed where the end of a text cuts them off', () => {
    for (const length of [6, 8, 12, VALUE.length - 1]) {
      expect(hidden.text(`say ${VALUE.slice(0, length)}`)).toBe('say ***');
      expect(hidden.text(`say ${VALUE.slice(0, length)}…`)).toBe('say ***');
      expect(hidden.text(`${VALUE.slice(-length)} said`)).toBe('*** said');
    }
  });

  it('are removed from names of fields, numbers and lists, and other parts stay unchanged', () => {
    const numbers = new HiddenValues(['12345678']);
    expect(numbers.json({ a: [12345678, 1, true, null], b12345678: 'x', c: 912345678.5 })).toEqual({
      a: ['***', 1, true, null],
      'b***': 'x',
      c: '***',
    });
    const clean = { a: ['x', { b: 'nothing here at all' }], c: 1 };
    expect(hidden.json(clean)).toBe(clean);
  });

  it('include each line of a value with several lines', () => {
    const key = '-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\nAASCBKcwggSjAgEAAoIBAQC7VJTU\n-----END KEY-----\n';
    expect(new HiddenValues([key]).text('read AASCBKcwggSjAgEAAoIBAQC7VJTU here')).toBe('read *** here');
  });

  it('include the decoded form of a Basic authorization', () => {
    expect(new HiddenValues([base64('admin:hunter2hunter2')]).text('user admin:hunter2hunter2 came')).toBe(
      'user *** came',
    );
  });

  it.each([
    ['of one letter', 'a'.repeat(8_192)],
    ['of letters and marks', 'ö"/<+'.repeat(1_638)],
    ['of many lines', Array.from({ length: 120 }, (_, line) => `${line}${'x'.repeat(60)}`).join('\n')],
  ])('may be as long as the longest secret, %s', (_, value) => {
    const began = process.cpuUsage();
    const long = new HiddenValues([value]);
    expect(long.text(`x ${value} y`)).toBe('x *** y');
    expect(long.text(`x ${encodeURIComponent(base64(value))} y`)).not.toContain(base64(value).slice(10, 40));
    expect(long.text(`x ${value.slice(0, 20)}`)).toBe('x ***');
    const other = `say ${'aaaaaaaaaaab "'.repeat(20_000)}`;
    expect(long.text(other)).toBe(other);
    expect(spentMs(began)).toBeLessThan(60_000);
  });

  it('are removed everywhere while they are in use', () => {
    expect(hiddenNow()).toBeUndefined();
    const [first, second] = [hideEverywhere([VALUE]), hideEverywhere([VALUE])];
    expect(hiddenNow()?.text(`x ${VALUE}`)).toBe('x ***');
    first();
    first();
    expect(hiddenNow()?.text(`x ${VALUE}`)).toBe('x ***');
    second();
    expect(hiddenNow()).toBeUndefined();
  });

  it('are kept out while others come and go, also when there are many', () => {
    const valueOf = (n: number): string => `value-${n}-of-many`;
    const ends = Array.from({ length: 100 }, (_, n) => {
      const end = hideEverywhere([valueOf(n)]);
      expect(hiddenNow()?.text(`x ${valueOf(n)} ${valueOf(0)}`)).toBe('x *** ***');
      return end;
    });
    for (let n = 1; n < 99; n += 1) {
      ends[n]?.();
      expect(hiddenNow()?.text(`x ${valueOf(0)} ${valueOf(99)}`)).toBe('x *** ***');
    }
    const again = hideEverywhere([valueOf(5)]);
    expect(hiddenNow()?.json({ a: valueOf(5) })).toEqual({ a: '***' });
    for (const end of [again, ends[0], ends[99]]) end?.();
    expect(hiddenNow()).toBeUndefined();
  });

  it('cost a text about as much as one of them, when there are a thousand', () => {
    const values = Array.from({ length: 1_000 }, (_, n) => createHash('sha256').update(`${n}`).digest('base64'));
    const text = 'lorem ipsum dolor sit amet '.repeat(4_000);
    const [one, many] = [new HiddenValues(values.slice(0, 1)), new HiddenValues(values)];
    const costOf = (of: HiddenValues): number => {
      let least = Infinity;
      for (let round = 0; round < 10; round += 1) {
        const began = process.cpuUsage();
        expect(of.text(text)).toBe(text);
        least = Math.min(least, spentMs(began));
      }
      return least;
    };
    costOf(many);
    // It was a hundred times as much when each was looked for by itself.
    expect(costOf(many)).toBeLessThan(20 * costOf(one) + 2);
    for (const value of values) {
      expect(many.text(`a ${value} b ${Buffer.from(value).toString('hex')} c`)).toBe('a *** b *** c');
    }
  });
});

describe('a text in pieces', () => {
  const secret = 'sk-live-0123456789abcdef';
  const pieces = (text: string, cuts: readonly number[]): string => {
    const stream = new HiddenValues([secret]).stream();
    let shown = '';
    let from = 0;
    for (const cut of [...cuts, text.length]) {
      shown += stream.push(text.slice(from, cut));
      from = cut;
    }
    return shown + stream.end();
  };

  it('hides a value wherever it is divided', () => {
    const text = `Key: ${secret}, again ${secret}${secret}.`;
    for (let cut = 0; cut <= text.length; cut += 1) {
      expect(pieces(text, [cut])).not.toContain('0123456789');
      expect(pieces(text, [cut])).toMatch(/^Key: \*\*\*, again (?:\*\*\*)+\.$/);
    }
    expect(
      pieces(
        text,
        Array.from(text, (_, at) => at),
      ),
    ).toMatch(/^Key: \*\*\*, again (?:\*\*\*)+\.$/);
    expect(pieces(secret.toUpperCase(), [3, 9])).toBe('***');
  });

  it('holds nothing back that cannot be the beginning of a value, and shows what was none at the end', () => {
    const stream = new HiddenValues([secret]).stream();
    expect(stream.push('Good morning. ')).toBe('Good morning. ');
    expect(stream.push('We sell sk')).toBe('We sell ');
    expect(stream.push('-live songs! ')).toBe('sk-live songs! ');
    expect(stream.push('bye sk-li') + stream.end()).toBe('bye sk-li');
    expect(new HiddenValues([]).stream().push(secret)).toBe(secret);
  });

  it('hides all of a value that begins within another one, and none of what follows', () => {
    const stream = new HiddenValues(['abcdefghij', 'fghijklmnopq']).stream();
    const shown = Array.from('say abcdefghijklmnopq now', (letter) => stream.push(letter)).join('') + stream.end();
    expect(shown).toBe('say *** now');
    const broken = new HiddenValues(['abcdefghij', 'fghijklmnopq']).stream();
    expect(broken.push('say abcdefghijklmn')).toBe('say ***');
    expect(broken.end()).toBe('');
  });

  it('hides a value that was cut short, also in the middle', () => {
    const stream = new HiddenValues([secret]).stream();
    expect(stream.push('It is sk-live-0123456… and sk-live-0123... or so') + stream.end()).toBe(
      'It is *** and *** or so',
    );
  });

  it.each([6, 30, 60])('costs about as much for texts that are like many values of %s characters', (length) => {
    const values = Array.from({ length: 1_000 }, (_, n) => `${'a'.repeat(length)}${n}`);
    const many = new HiddenValues(values);
    const text = `say ${'a'.repeat(length)} `.repeat(Math.ceil((512 * 1024) / (length + 5))) + 'now';
    const began = process.cpuUsage();
    expect(many.text(text) === text).toBe(true);
    expect(many.text('a'.repeat(512 * 1024)) === 'a'.repeat(512 * 1024)).toBe(false);
    // It takes a tenth of a second. Beyond ten seconds the cost is not linear any more.
    expect(spentMs(began)).toBeLessThan(10_000);
  });

  it.each([130, 500])('costs no more for one letter when values have %s of it in a row', (length) => {
    const many = new HiddenValues(Array.from({ length: 20 }, (_, n) => `${'a'.repeat(length)}${n}`));
    const text = `say ${'a'.repeat(2 * 1024 * 1024)} now`;
    const began = process.cpuUsage();
    expect(many.text(text) === text).toBe(true);
    expect(spentMs(began)).toBeLessThan(5_000);
  });

  it('takes a time that grows with the text alone, however long and alike the values are', () => {
    const values = Array.from({ length: 20 }, (_, n) => 'a'.repeat(4_094) + String.fromCharCode(100 + n));
    const many = new HiddenValues(values);
    const stream = many.stream();
    const piece = `${'a'.repeat(4_093)}c`;
    const began = process.cpuUsage();
    let shown = '';
    for (let n = 0; n < 50; n += 1) shown += stream.push(piece);
    for (let n = 0; n < 50; n += 1) expect(many.text(`say ${piece}`)).toBe(`say ${piece}`);
    // It was three seconds for each piece.
    expect(spentMs(began)).toBeLessThan(15_000);
    expect(shown.endsWith(piece.repeat(49))).toBe(true);
    expect(stream.push(`${values[7]}!`)).toBe('***!');
    expect(stream.push(piece.slice(0, -1)) + stream.end()).toBe('***');
  });
});

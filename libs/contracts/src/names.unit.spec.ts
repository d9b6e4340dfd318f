import { describe, expect, it } from '@jest/globals';
import { nameMistake } from './names.js';

describe('nameMistake', () => {
  it.each([
    'a',
    'Collect Job Status',
    'runbooks/checkout.md',
    'ada@example.com',
    '...',
    '__proto',
    'Constructor',
    'café',
    'Größe',
    '注文 処理',
    'ネットワーク',
    'می\u200cخواهم',
    'क्\u200dष',
    'हिन्दी',
    '한국어',
    'שלום',
    '👩\u200d💻 on call',
    '👩🏽\u200d🚒',
    '❤\ufe0f',
    '1\ufe0f\u20e3',
    '👍🏽',
    '🇩🇪',
  ])('takes %j', (name) => {
    expect(nameMistake(name)).toBeUndefined();
  });

  it.each([
    ['', 'too_short'],
    ['__proto__', 'reserved_name'],
    ['constructor', 'reserved_name'],
    ['prototype', 'reserved_name'],
    ['.', 'reserved_name'],
    ['..', 'reserved_name'],
    [' a', 'bad_format'],
    ['a ', 'bad_format'],
    ['a\u00a0b', 'invalid_character'],
    ['a\u00a0', 'invalid_character'],
    ['\u3000a', 'invalid_character'],
    ['注文\u3000処理', 'invalid_character'],
    ['a\u1680b', 'invalid_character'],
    ['a\u2007b', 'invalid_character'],
    ['a\u2009b', 'invalid_character'],
    ['a\u202fb', 'invalid_character'],
    ['a\u205fb', 'invalid_character'],
    ['a\u2800b', 'invalid_character'],
    ['a\ufffcb', 'invalid_character'],
    ['a\u{1d159}b', 'invalid_character'],
    ['cafe\u0301', 'bad_format'],
    ['\u212b', 'bad_format'],
    ['a\nb', 'invalid_character'],
    ['a\r', 'invalid_character'],
    ['a\tb', 'invalid_character'],
    ['a\0b', 'invalid_character'],
    ['a\u007fb', 'invalid_character'],
    ['a\u0085b', 'invalid_character'],
    ['a\u2028b', 'invalid_character'],
    ['a\u2029b', 'invalid_character'],
    ['a\u200bb', 'invalid_character'],
    ['a\u200db', 'invalid_character'],
    ['\u200d', 'invalid_character'],
    ['می\u200c', 'invalid_character'],
    ['a\u2060b', 'invalid_character'],
    ['a\ufeffb', 'invalid_character'],
    ['a\u00adb', 'invalid_character'],
    ['a\ufe0fb', 'invalid_character'],
    ['1\ufe0f', 'invalid_character'],
    ['\u3164', 'invalid_character'],
    ['a\u{e0041}', 'invalid_character'],
    ['a\u200eb', 'invalid_character'],
    ['a\u202egnp.exe', 'invalid_character'],
    ['a\u2066b\u2069', 'invalid_character'],
    ['a\u061cb', 'invalid_character'],
    ['a\ud800', 'invalid_character'],
    ['\udc00a', 'invalid_character'],
    ['a\uffff', 'invalid_character'],
  ])('refuses %j: %s', (name, code) => {
    expect(nameMistake(name)?.code).toBe(code);
  });

  it('accepts no two names that look the same', () => {
    const blank = Array.from({ length: 0x110000 }, (_, code) => String.fromCodePoint(code)).filter(
      (character) => /^[\p{White_Space}\p{Default_Ignorable_Code_Point}\u2800]$/u.test(character) && character !== ' ',
    );
    expect(blank.length).toBeGreaterThan(4_000);
    const taken = blank.filter((character) => nameMistake(`a${character}b`) === undefined);
    expect(taken).toEqual([]);
    expect(nameMistake('a\u00a0b')?.message).toBe(
      'must not hold U+00A0: the only space in a name is the one of the keyboard, U+0020',
    );
  });

  it('counts characters, not UTF-16 units', () => {
    expect(nameMistake('👍'.repeat(5), 5)).toBeUndefined();
    expect(nameMistake('👍'.repeat(6), 5)?.code).toBe('too_long');
    expect(nameMistake('a'.repeat(6), 5)?.message).toBe('has 6 characters; at most 5 are allowed');
  });
});

import { expect, it } from '@jest/globals';
import { terminalJson, terminalLine, terminalText } from './terminal-text.js';

/** Clears the screen, sets the title, asks the terminal to type something, and the same begun by one character. */
const ATTACKS = ['\u001b[2J', '\u001b]0;title\u0007', '\u001bP$q"p\u001b\\', '\u009b2J', '\u0008\u0008ok', '\rfree'];

it('leaves no character in a text that a terminal obeys, and every other one', () => {
  for (const attack of ATTACKS) {
    const shown = terminalText(`name ${attack} ü\t日本\n`);
    expect(shown).toMatch(/^name .* ü\t日本\n$/);
    for (const character of shown.replaceAll(/[\t\n]/g, '')) {
      const code = character.codePointAt(0) ?? 0;
      expect(code >= 0x20 && !(code >= 0x7f && code <= 0x9f)).toBe(true);
    }
  }
});

it('leaves none in JSON either, and the value stays the same', () => {
  for (const attack of ATTACKS) {
    const value = { name: `a${attack}ü` };
    const json = terminalJson(JSON.stringify(value));
    expect(terminalText(json)).toBe(json);
    expect(JSON.parse(json)).toEqual(value);
  }
});

it('a text of others stays on one line, and is cut between characters', () => {
  expect(terminalLine(' a\n\tb\u001b[2J\u202ec\u2028d ')).toBe('a b [2J c d');
  expect(terminalLine('日'.repeat(5), 5)).toBe('日日日日日');
  expect(terminalLine('𝄞'.repeat(6), 5)).toBe('𝄞𝄞𝄞𝄞…');
});

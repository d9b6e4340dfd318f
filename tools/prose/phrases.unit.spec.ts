import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { BANNED_PHRASES, findPhrases, findPhrasesOfRepository } from './phrases.mjs';

describe('findPhrases', () => {
  it.each(BANNED_PHRASES.map(({ example, advice }) => [example, advice]))('finds "%s"', (example, advice) => {
    expect(findPhrases(`const a = 1;\n// ${example}.\n`)).toEqual([{ line: 2, phrase: expect.any(String), advice }]);
  });

  it.each(BANNED_PHRASES.map(({ example }) => [example]))('finds "%s" when a comment breaks it anywhere', (example) => {
    const [whole] = findPhrases(example);
    for (const [start, end] of [
      ['/**\n * ', '\n * '],
      ['// ', '\n  // '],
      ['# ', '\n# '],
      ['', '\n'],
    ] as const) {
      expect(findPhrases(start + example.replaceAll(' ', end)).map(({ phrase }) => phrase)).toEqual([whole?.phrase]);
    }
  });

  it('finds a phrase each time, with its line', () => {
    expect(findPhrases('on and on\n\nand on and on')).toMatchObject([{ line: 1 }, { line: 3 }]);
  });

  it.each(['A lock, so that what was read stays.', 'a design of 4 parts', 'an issue of 3 kinds', 'on and only on'])(
    'accepts "%s"',
    (text) => {
      expect(findPhrases(text)).toEqual([]);
    },
  );
});

describe('findPhrasesOfRepository', () => {
  const root = mkdtempSync(join(tmpdir(), 'batuta-phrases-'));
  afterEach(() => rmSync(root, { recursive: true }));

  it('reads what is committed or may be, and no generated or ignored file', () => {
    execFileSync('git', ['init', '-q'], { cwd: root });
    writeFileSync(join(root, '.gitignore'), 'ignored.ts\n');
    for (const name of ['ignored.ts', 'new.ts', 'page.md', 'data.json']) {
      writeFileSync(join(root, name), '// on and on\n');
    }
    expect(findPhrasesOfRepository(root)).toEqual([
      'new.ts:1: "on and on": write "again and again" or "without end"',
      'page.md:1: "on and on": write "again and again" or "without end"',
    ]);
  });
});

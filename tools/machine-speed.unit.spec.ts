import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
/** The limit of every test (jest.config.mjs). A shorter one fails where other programs keep the machine busy. */
const LIMIT_MS = 300_000;
/** The least limit on a time that a test measures itself. */
const LEAST_MEASURED_MS = 60_000;

const number = (text: string | undefined): number => Number((text ?? '').replaceAll('_', ''));

const SHORT: readonly { readonly pattern: RegExp; readonly least: number; readonly instead: string }[] = [
  { pattern: /jest\.setTimeout\(([\d_]+)\)/g, least: LIMIT_MS, instead: 'leave out jest.setTimeout' },
  { pattern: /^ *\}, ([\d_]{4,})\);$/gm, least: LIMIT_MS, instead: 'leave out the limit of the test' },
  {
    pattern: /expect\((?:performance|Date)\.now\(\) - \w+\)\.toBeLessThan(?:OrEqual)?\(([\d_]+)\)/g,
    least: LEAST_MEASURED_MS,
    instead: 'measure process.cpuUsage(), compare with something in the same run, or wait for a condition',
  },
];

/** Places in a text whose limit a busy machine can miss, with what to do. */
function shortLimits(text: string): string[] {
  return SHORT.flatMap(({ pattern, least, instead }) =>
    [...text.matchAll(pattern)]
      .filter(([, limit]) => number(limit) < least)
      .map(({ 0: found, index }) => `line ${text.slice(0, index).split('\n').length}: ${found.trim()}: ${instead}`),
  );
}

it('finds limits that a busy machine can miss', () => {
  const text = [
    'jest.setTimeout(20_000);',
    "it('x', () => {",
    '}, 5_000);',
    '  expect(performance.now() - started).toBeLessThan(5_000);',
    '  expect(performance.now() - started).toBeLessThan(90_000);',
    '}, 300_000);',
  ].join('\n');
  expect(shortLimits(text).map((line) => line.split(':')[0])).toEqual(['line 1', 'line 3', 'line 4']);
});

it('there are none in the tests', () => {
  const files = execFileSync('git', ['ls-files', '-z', '*.spec.ts'], { cwd: ROOT, encoding: 'utf8' });
  const found = files
    .split('\0')
    .filter((file) => file !== '' && !file.endsWith('machine-speed.unit.spec.ts'))
    .flatMap((file) => shortLimits(readFileSync(join(ROOT, file), 'utf8')).map((place) => `${file}, ${place}`));
  expect(found).toEqual([]);
});

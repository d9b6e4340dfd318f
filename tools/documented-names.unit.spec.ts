import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { root } from './deploy/places.js';

/** The variables that `batuta env` prints and that services read. */
const NAMES = new Set(['BATUTA_URL', 'BATUTA_API_KEY', 'NATS_URL', 'DATABASE_URL']);

function documents(): string[] {
  const below = (folder: string): string[] =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.md') && !path.includes('node_modules'))
      .map((path) => join(folder, path));
  return ['README.md', ...below('docs'), ...below('examples')];
}

describe('the documentation', () => {
  it('uses the variable names of `batuta env` for addresses and keys of a platform', () => {
    const found = documents().flatMap((path) =>
      [...readFileSync(join(root, path), 'utf8').matchAll(/\$\{?(\w*(?:URL|KEY))\b/g)].map((match) => ({
        path,
        name: match[1] ?? '',
      })),
    );
    expect(found.length).toBeGreaterThan(20);
    expect(found.filter(({ name }) => !NAMES.has(name))).toEqual([]);
  });
});

import { beforeAll, describe, expect, it } from '@jest/globals';
import { readdir, readFile } from 'node:fs/promises';
import { FAILURE_CODES, MISTAKES, REFUSAL_CODES, REFUSALS } from './codes.js';

const ROOT = new URL('../../../', import.meta.url);
const REFUSERS = ['services/gateway', 'services/config', 'services/notifications', 'services/execution'];

/** Sources of the services that refuse requests, without tests. */
async function sources(): Promise<string[]> {
  const found: string[] = [];
  for (const service of REFUSERS) {
    const folder = new URL(`${service}/src/`, ROOT);
    for (const entry of await readdir(folder, { recursive: true })) {
      if (!entry.endsWith('.ts') || entry.endsWith('.spec.ts')) continue;
      found.push(await readFile(new URL(entry, folder), 'utf8'));
    }
  }
  return found;
}

const matches = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, code]) => code ?? '');

describe('the vocabulary of refusals', () => {
  let texts: readonly string[] = [];
  let api = '';
  let configs = '';
  beforeAll(async () => {
    texts = await sources();
    api = await readFile(new URL('docs/api.md', ROOT), 'utf8');
    configs = await readFile(new URL('docs/configs.md', ROOT), 'utf8');
  });

  it('has exactly the codes of mistakes that sources name', () => {
    const named = new Set(
      texts.flatMap((text) => [
        ...matches(text, /\b(?:add|invalidField|wrong|mistake)\(\s*[^;]*?,\s*'([a-z_]+)',/g),
        ...matches(text, /(?:path|message)\b[^;{}]*?\bcode: '([a-z_]+)'/g),
        ...matches(text, /\bcode: '([a-z_]+)'[^;{}]*?\b(?:path|message)\b/g),
        ...matches(text, /mistake[:?]?[^;\n]*=> '([a-z_]+)'/g),
      ]),
    );
    expect(named.size).toBeGreaterThan(35);
    const known = new Set<string>([...Object.keys(MISTAKES), ...REFUSAL_CODES, ...Object.values(FAILURE_CODES)]);
    expect([...named].filter((code) => !known.has(code))).toEqual([]);
    const all = texts.join('\n');
    const defaults = new Set(Object.values(REFUSALS).map((meaning) => ('mistake' in meaning ? meaning.mistake : '')));
    const unused = Object.keys(MISTAKES).filter(
      (code) => !all.includes(`'${code}'`) && !defaults.has(code as 'invalid'),
    );
    expect(unused.filter((code) => code !== 'invalid_schema')).toEqual([]);
  });

  it('has every code of a refusal that a source names', () => {
    const named = new Set(
      texts.flatMap((text) =>
        matches(text, /\b(?:new Problem|refuse|refused|reject)\(\s*(?:\n\s*)?'([a-z_]+)'/g).concat(
          matches(text, /\b(?:refused|rejected): \{ code: '([a-z_]+)'/g),
        ),
      ),
    );
    expect(named.size).toBeGreaterThan(12);
    expect([...named].filter((code) => !Object.hasOwn(REFUSALS, code))).toEqual([]);
  });

  it('is documented, each refusal with its status', () => {
    const rows = [...api.matchAll(/^\| (\d{3}) \| `([a-z_]+)` \|/gm)].map(([, status, code]) => `${code} ${status}`);
    expect(rows.toSorted()).toEqual(REFUSAL_CODES.map((code) => `${code} ${REFUSALS[code].status}`).toSorted());
    const told = (code: string): boolean => api.includes(`\`${code}\``) || configs.includes(`\`${code}\``);
    expect(Object.keys(MISTAKES).filter((code) => !told(code))).toEqual([]);
  });
});

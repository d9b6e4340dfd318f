import { once } from 'node:events';
import { mkdtempSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { runFile } from '@batuta/testing';
import { root } from '../deploy/places.js';

// Processes start here, beside other tests on the same processors.
jest.setTimeout(60_000);

const FILES = {
  'package.json': '{ "type": "module" }',
  'one.js': [
    '/** What a file begins with. */',
    'import { same } from "./other.js";',
    '',
    'export class Same {}',
    'export const asked = new URL("./beside.txt", import.meta.url);',
    'export function fail() {',
    '  const who = same();',
    '  throw new TypeError(who);',
    '}',
  ].join('\n'),
  'other.js': 'export class Same {}\nexport const same = () => "meant";\n',
  'later.js': 'export const later = "loaded later";\n',
  'program.js': [
    'import { Same, asked, fail } from "./one.js";',
    'import { Same as Other } from "./other.js";',
    '',
    'export async function main() {',
    '  const { later } = await import("./later.js");',
    '  let stack;',
    '  try {',
    '    fail();',
    '  } catch (error) {',
    '    stack = error.stack;',
    '  }',
    '  console.log(JSON.stringify({ names: [Same.name, Other.name], asked: asked.href, later, stack }));',
    '}',
  ].join('\n'),
};

interface Said {
  readonly names: readonly string[];
  readonly asked: string;
  readonly later: string;
  readonly stack: string;
}

let folder: string;
const at = (name: string): string => join(folder, name);

async function run(script: string, options: { env?: NodeJS.ProcessEnv; nodeArgs?: string[] } = {}): Promise<string> {
  const file = at('script.mjs');
  writeFileSync(file, script);
  const child = runFile(file, options);
  const [code] = (await once(child.process, 'close')) as [number | null];
  if (code !== 0) throw new Error(`ended with ${code}: ${child.output()}`);
  return child.output();
}

const program = pathToFileURL(join(root, 'libs/program/src/index.ts')).href;
const start = (): string =>
  `import { runProgram } from ${JSON.stringify(program)};
   await runProgram({
     bundle: new URL('./program.bundle.cjs', import.meta.url),
     load: async () => ({ main: async () => console.log('file by file') }),
   });`;
const load = (): string =>
  `import { loadBundle } from ${JSON.stringify(program)};
   console.log(loadBundle(${JSON.stringify(at('program.bundle.cjs'))}).wasCompiled);`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'batuta-bundle-'));
  for (const [name, content] of Object.entries(FILES)) writeFileSync(at(name), content);
  await run(
    `import { bundle } from ${JSON.stringify(pathToFileURL(join(root, 'tools/bundle/bundle.mjs')).href)};
     await bundle(${JSON.stringify(at('program.js'))});`,
  );
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a bundled program', () => {
  it('does what its files do, with the names of its classes and the lines of its sources', async () => {
    const said = JSON.parse(await run(start())) as Said;
    expect(said.names).toEqual(['Same', 'Same']);
    expect(said.asked).toBe(pathToFileURL(at('beside.txt')).href);
    expect(said.later).toBe('loaded later');
    const [message, first, second] = said.stack.split('\n');
    expect(message).toBe('TypeError: meant');
    // A function may have a number behind its name: unlike that of a class, nothing asks for it.
    expect(first).toMatch(/^ {4}at fail\d* \(/);
    expect(first).toContain(`(${at('one.js')}:8)`);
    expect(second).toContain(`${at('program.js')}:8)`);
  });

  it('is compiled already, also for a process whose heap has other sizes', async () => {
    expect(await run(load())).toBe('true\n');
    expect(await run(load(), { nodeArgs: ['--max-semi-space-size=16', '--max-old-space-size=300'] })).toBe('true\n');
  });

  it('does not take the code that was compiled from another bundle', async () => {
    const code = at('program.bundle.cjs.code');
    const compiled = readFileSync(code);
    try {
      writeFileSync(code, Buffer.concat([Buffer.from('f'.repeat(32)), compiled.subarray(32)]));
      expect(await run(load())).toBe('false\n');
    } finally {
      writeFileSync(code, compiled);
    }
  });

  it('runs file by file when asked to', async () => {
    expect(await run(start(), { env: { BATUTA_BUNDLES: 'off' } })).toBe('file by file\n');
  });

  it('runs file by file when something that it is made from has changed since', async () => {
    const later = new Date(Date.now() + 60_000);
    utimesSync(at('one.js'), later, later);
    try {
      expect(await run(start())).toBe('file by file\n');
    } finally {
      utimesSync(at('one.js'), new Date(0), new Date(0));
    }
    expect(await run(start())).toContain('loaded later');
  });
});

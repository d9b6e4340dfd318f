import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { deserialize } from 'node:v8';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { StackLines } from '@batuta/program';
import { runFile } from '@batuta/testing';
import { root } from '../deploy/places.js';

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
  'dist/deep/compiled.js': [
    '"use strict";',
    'export const compiled = () => new Error("compiled").stack;',
    '//# sourceMappingURL=compiled.js.map',
  ].join('\n'),
  // The second line of the code comes from the third line of the source.
  'dist/deep/compiled.js.map': JSON.stringify({
    version: 3,
    file: 'compiled.js',
    sourceRoot: '',
    sources: ['../../src/deep/compiled.ts'],
    names: [],
    mappings: 'AAAA;AAEA',
  }),
  'src/deep/compiled.ts': '',
  'node_modules/packaged/package.json': '{ "type": "module", "exports": "./index.js" }',
  'node_modules/packaged/index.js': [
    'export const packaged = () => new Error("packaged").stack;',
    '//# sourceMappingURL=index.js.map',
    '',
  ].join('\n'),
  'node_modules/packaged/index.js.map': JSON.stringify({
    version: 3,
    sources: ['../src/not-published.ts'],
    names: [],
    mappings: 'AAAA',
  }),
  'later.js': 'export const later = "loaded later";\n',
  'program.js': [
    'import { Same, asked, fail } from "./one.js";',
    'import { Same as Other } from "./other.js";',
    'import { compiled } from "./dist/deep/compiled.js";',
    'import { packaged } from "packaged";',
    '',
    'export async function main() {',
    '  const { later } = await import("./later.js");',
    '  let stack;',
    '  try {',
    '    fail();',
    '  } catch (error) {',
    '    stack = error.stack;',
    '  }',
    '  console.log(JSON.stringify({ names: [Same.name, Other.name], asked: asked.href, later, stack, stacks: [compiled(), packaged()] }));',
    '}',
  ].join('\n'),
};

interface Said {
  readonly names: readonly string[];
  readonly asked: string;
  readonly later: string;
  readonly stack: string;
  readonly stacks: readonly [string, string];
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
const tool = (name: 'bundle' | 'compileAgain' | 'stateOf'): string =>
  `import { ${name} } from ${JSON.stringify(pathToFileURL(join(root, 'tools/bundle/bundle.mjs')).href)};
   console.log(JSON.stringify(await ${name}(${JSON.stringify(at('program.js'))})));`;
const load = (): string =>
  `import { loadBundle } from ${JSON.stringify(program)};
   console.log(loadBundle(${JSON.stringify(at('program.bundle.cjs'))}).wasCompiled);`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'batuta-bundle-'));
  for (const [name, content] of Object.entries(FILES)) {
    mkdirSync(dirname(at(name)), { recursive: true });
    writeFileSync(at(name), content);
  }
  await run(tool('bundle'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a bundled program', () => {
  it('behaves like its files, with the names of its classes and the lines of its sources', async () => {
    const said = JSON.parse(await run(start())) as Said;
    expect(said.names).toEqual(['Same', 'Same']);
    expect(said.asked).toBe(pathToFileURL(at('beside.txt')).href);
    expect(said.later).toBe('loaded later');
    const [message, first, second] = said.stack.split('\n');
    expect(message).toBe('TypeError: meant');
    // A function's name may get a number; unlike a class's name, nothing depends on it.
    expect(first).toMatch(/^ {4}at fail\d* \(/);
    expect(first).toContain(`(${at('one.js')}:8)`);
    expect(second).toContain(`${at('program.js')}:10)`);
  });

  it('names existing files: this repository’s sources, and the published files of packages', async () => {
    const [compiled, packaged] = (JSON.parse(await run(start())) as Said).stacks;
    expect(compiled).toContain(`(${at('src/deep/compiled.ts')}:3)`);
    expect(packaged).toContain(`(${at('node_modules/packaged/index.js')}:1)`);
    const { sources } = deserialize(readFileSync(at('program.bundle.cjs.lines'))) as StackLines;
    expect(sources.length).toBeGreaterThan(5);
    expect(sources.filter((source) => !existsSync(resolve(folder, source)))).toEqual([]);
  });

  it('uses the compiled code, even in a process with other heap sizes', async () => {
    expect(await run(load())).toBe('true\n');
    expect(await run(load(), { nodeArgs: ['--max-semi-space-size=16', '--max-old-space-size=300'] })).toBe('true\n');
  });

  it('refuses code that was compiled from another bundle', async () => {
    const code = at('program.bundle.cjs.code');
    const compiled = readFileSync(code);
    try {
      writeFileSync(code, Buffer.concat([Buffer.from('f'.repeat(32)), compiled.subarray(32)]));
      expect(await run(load())).toBe('false\n');
    } finally {
      writeFileSync(code, compiled);
    }
  });

  it('is only compiled again when another Node.js compiled it', async () => {
    const [file, notes] = [at('program.bundle.cjs'), at('program.bundle.cjs.json')];
    const [text, state] = [readFileSync(file, 'utf8'), async () => JSON.parse(await run(tool('stateOf'))) as object];
    expect(await state()).toEqual({ bundled: true, compiled: true });
    writeFileSync(notes, JSON.stringify({ ...(JSON.parse(readFileSync(notes, 'utf8')) as object), node: 'v0.0.0' }));
    writeFileSync(`${file}.code`, 'of another Node.js');
    expect(await state()).toEqual({ bundled: true, compiled: false });
    await run(tool('compileAgain'));
    expect(await state()).toEqual({ bundled: true, compiled: true });
    expect(readFileSync(file, 'utf8')).toBe(text);
    expect(await run(load())).toBe('true\n');
  });

  it('runs file by file on request', async () => {
    expect(await run(start(), { env: { BATUTA_BUNDLES: 'off' } })).toBe('file by file\n');
  });

  it('runs file by file when one of its inputs has changed since', async () => {
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

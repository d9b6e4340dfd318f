// Turns the sources of all packages into JavaScript without checking their types, in a tenth of the time of `tsc -b` and with the same
// result: a user who starts the platform waits for it (docs/adr/0024-bundles.md). `npm run build` and `npm run types` check the types.
// Only files older than their source are written.
//   node tools/transpile.mjs
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { transform } from '@swc/core';

const root = join(import.meta.dirname, '..');
const atOnce = 8;

const inside = (group) => readdirSync(join(root, group)).map((name) => join(root, group, name));
const packages = [...inside('libs'), ...inside('services'), join(root, 'cli'), join(root, 'bench')];
const ageOf = (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** The sources of a package with their outputs, as its tsconfig.build.json has them. */
function outdated(folder) {
  const source = join(folder, 'src');
  if (ageOf(join(folder, 'tsconfig.build.json')) === 0) return [];
  return readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.spec.ts') && !name.endsWith('.d.ts'))
    .map((name) => ({ from: join(source, name), to: join(folder, 'dist', name.replace(/\.ts$/, '.js')) }))
    .filter(({ from, to }) => ageOf(to) <= ageOf(from));
}

/** Writes a file completely or not at all: after Ctrl-C, a half file would count as done. */
function write(file, content) {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, content);
  renameSync(temporary, file);
}

async function transpile({ from, to }) {
  const { code, map } = await transform(readFileSync(from, 'utf8'), {
    filename: from,
    sourceFileName: relative(dirname(to), from),
    cwd: root,
    root,
    sourceMaps: true,
    inlineSourcesContent: false,
  });
  mkdirSync(dirname(to), { recursive: true });
  const name = to.slice(dirname(to).length + 1);
  write(`${to}.map`, map);
  write(to, `${code}//# sourceMappingURL=${name}.map\n`);
}

const waiting = packages.flatMap(outdated);
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await transpile(next);
  }),
);

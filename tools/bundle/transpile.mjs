// Turns the sources of all packages into JavaScript without checking their types, in a tenth of the time of `tsc -b`, because a user who
// starts the platform waits for it (docs/adr/0024-bundles.md). `npm run build` and `npm run types` check the types. Only outdated files are
// written.
//   node tools/bundle/transpile.mjs
import { mkdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { transform } from '@swc/core';
import { isOutdated, sources } from './sources.mjs';
import { write } from './write.mjs';

const root = join(import.meta.dirname, '../..');
const atOnce = 8;

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
  write(`${to}.map`, map);
  write(to, `${code}//# sourceMappingURL=${basename(to)}.map\n`);
}

const waiting = sources(root).filter(isOutdated);
const changed = new Set(waiting.map(({ to }) => to.slice(0, to.lastIndexOf('/dist/'))));
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await transpile(next);
  }),
);
// Tells the bundles of these packages that they are out of date, as `.tsbuildinfo` does after `tsc -b`.
for (const folder of changed) write(join(folder, 'dist/.transpiled'), '');

// Makes one file of each program and all that it imports, and compiles it, so that it starts in a fraction of the time
// (docs/adr/0024-bundles.md). Works on what tsc has compiled, and does again only what is out of date.
//   node tools/bundle/main.mjs              all programs
//   node tools/bundle/main.mjs cli …        those of some packages
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, isDone } from './bundle.mjs';

const root = join(import.meta.dirname, '../..');
const packages = process.argv.slice(2);
// The modules that export `main`. In the image's build some of them are not there.
const programs = [
  'services/gateway/dist/service.js',
  'services/config/dist/service.js',
  'services/execution/dist/service.js',
  'services/step-runner/dist/service.js',
  'services/notifications/dist/service.js',
  'services/standalone/dist/group-process.js',
  'cli/dist/command.js',
  'bench/dist/ledger-service.js',
]
  .filter((program) => packages.length === 0 || packages.some((name) => program.startsWith(`${name}/`)))
  .map((program) => join(root, program))
  .filter((program) => existsSync(program));
const atOnce = 2;

const waiting = programs.filter((program) => !isDone(program));
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await bundle(next);
  }),
);

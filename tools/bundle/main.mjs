// Makes one file of each program with all its imports, and compiles it, so that it starts in a fraction of the time
// (docs/adr/0024-bundles.md). It uses the output of tsc, and rebuilds only outdated bundles. One that another version of Node.js compiled is only
// compiled again.
//   node tools/bundle/main.mjs              all programs
//   node tools/bundle/main.mjs cli …        the programs of some packages
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { services } from '../services/table.mjs';
import { bundle, compileAgain, stateOf } from './bundle.mjs';

const root = join(import.meta.dirname, '../..');
const packages = process.argv.slice(2);
// The modules that export `main`. Some of them do not exist in the image's build.
const programs = [
  ...services.map((name) => `services/${name}/dist/service.js`),
  'services/standalone/dist/group-process.js',
  'cli/dist/command.js',
  'bench/dist/ledger-service.js',
]
  .filter((program) => packages.length === 0 || packages.some((name) => program.startsWith(`${name}/`)))
  .map((program) => join(root, program))
  .filter((program) => existsSync(program));
const atOnce = 2;

const waiting = programs.filter((program) => !stateOf(program).compiled);
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await (stateOf(next).bundled ? compileAgain(next) : bundle(next));
    }
  }),
);

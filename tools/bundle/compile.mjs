// Loads a bundle and writes the code that V8 compiled for it. It needs its own process, because a bundle can be loaded
// only once.
//   node tools/bundle/compile.mjs <bundle>
import { renameSync, writeFileSync } from 'node:fs';
import { codeFile, loadBundle } from '@batuta/program';

const [bundle] = process.argv.slice(2);
const { program, compiled } = loadBundle(bundle);
await program.preload?.();
const temporary = `${codeFile(bundle)}.${process.pid}.tmp`;
writeFileSync(temporary, compiled());
renameSync(temporary, codeFile(bundle));
// The loaded program may keep the process alive.
process.exit(0);

// Loads a bundle and writes the code that V8 compiled for that, in a process of its own: a bundle can be loaded once.
//   node tools/bundle/compile.mjs <bundle>
import { renameSync, writeFileSync } from 'node:fs';
import { codeFile, loadBundle } from '@batuta/program';

const [bundle] = process.argv.slice(2);
const { program, compiled } = loadBundle(bundle);
await program.preload?.();
const temporary = `${codeFile(bundle)}.${process.pid}.tmp`;
writeFileSync(temporary, compiled());
renameSync(temporary, codeFile(bundle));
// What was loaded may keep a process awake.
process.exit(0);

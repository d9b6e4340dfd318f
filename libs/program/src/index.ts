export { ID_BYTES, codeFile, isCurrent, linesFile, loadBundle, notesFile } from './bundle.js';
export { Mistake, mistakeOf } from './mistake.js';
export { runProgram } from './run-program.js';
export type { StackLines } from './stack-lines.js';

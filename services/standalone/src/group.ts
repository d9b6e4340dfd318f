import { runProgram } from '@batuta/program';

await runProgram({
  bundle: new URL('./group-process.bundle.cjs', import.meta.url),
  load: () => import('./group-process.js'),
});

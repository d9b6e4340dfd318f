import { runProgram } from '@batuta/program';

await runProgram({
  bundle: new URL('./ledger-service.bundle.cjs', import.meta.url),
  load: () => import('./ledger-service.js'),
});

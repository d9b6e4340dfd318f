import { runProgram } from '@batuta/program';

await runProgram({ bundle: new URL('./command.bundle.cjs', import.meta.url), load: () => import('./command.js') });

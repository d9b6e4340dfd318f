import { runProgram } from '@batuta/program';

await runProgram({ bundle: new URL('./service.bundle.cjs', import.meta.url), load: () => import('./service.js') });

// Makes a plain Node process run the TypeScript sources, so that tests of processes need no build:
//   node --conditions=batuta-source --import ./libs/testing/run-source.mjs services/step-runner/src/main.ts
import { register } from 'node:module';

register('./run-source-hooks.mjs', import.meta.url);

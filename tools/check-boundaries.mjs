// Fails with one line for each import, manifest or test file that breaks the rules of tools/boundaries.mjs.
import { join } from 'node:path';
import { findProblems } from './boundaries.mjs';

const problems = findProblems(join(import.meta.dirname, '..'));
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
else console.log('Every import is where it may be.');

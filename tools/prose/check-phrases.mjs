// Fails with one line for each banned phrase of tools/prose/phrases.mjs in comments, messages, titles and documents.
import { join } from 'node:path';
import { findPhrasesOfRepository } from './phrases.mjs';

const problems = findPhrasesOfRepository(join(import.meta.dirname, '..', '..'));
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
else console.log('No text has a banned phrase.');

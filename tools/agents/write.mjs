// Writes the files that repeat the definitions of the built-in agents. Run by `npm run agents`.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Sandbox } from '@batuta/sandbox';
import { builtInAgents } from '@batuta/step-runner';
import { agentFiles } from './agent-files.mjs';

const files = await agentFiles(builtInAgents, Sandbox);
for (const [path, text] of Object.entries(files)) writeFileSync(join(import.meta.dirname, '../..', path), text);
console.log(`Written: ${Object.keys(files).join(', ')}`);

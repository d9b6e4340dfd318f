// Writes the registries of events and of kinds of steps: `npm run registries`, after a file was added to their folders.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { registries } from './registries.mjs';

const root = join(import.meta.dirname, '../..');
for (const { path, text } of await registries(root)) writeFileSync(join(root, path), text);

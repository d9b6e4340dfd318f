// Writes what follows from services/services.json: `npm run services`. `npm install` afterwards links a new package.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serviceFiles } from './files.mjs';

const root = join(import.meta.dirname, '../..');
const read = (file) => readFileSync(join(root, file), 'utf8');
for (const [file, text] of Object.entries(serviceFiles(read))) {
  if (read(file) === text) continue;
  writeFileSync(join(root, file), text);
  console.log(file);
}

// Writes docs/openapi.json from the gateway's routes, and what libs/client has of it. `npm run openapi` compiles the gateway first.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writtenOpenApi } from '../../services/gateway/dist/openapi-document.js';
import { clientFiles } from './client-files.mjs';

const root = join(import.meta.dirname, '../..');
// As a reader of the file gets it: what is undefined is not there.
const document = JSON.parse(JSON.stringify(await writtenOpenApi()));
writeFileSync(join(root, 'docs/openapi.json'), `${JSON.stringify(document, null, 1)}\n`);
for (const [path, text] of Object.entries(await clientFiles(document))) {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), text);
}
const operations = Object.values(document.paths).flatMap((item) => Object.keys(item)).length;
console.log(`docs/openapi.json and libs/client/src/generated have ${operations} operations.`);

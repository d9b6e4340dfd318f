// Writes docs/openapi.json from the gateway's routes, the generated part of libs/client, and the subjects of operations
// in docs/operations.md. `npm run openapi` compiles the gateway first.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALL_OPERATIONS, NATS_SERVICES } from '../../libs/contracts/dist/index.js';
import { writtenOpenApi } from '../../services/gateway/dist/openapi-document.js';
import { clientFiles } from './client-files.mjs';
import { withSubjectRows } from './subject-rows.mjs';

const root = join(import.meta.dirname, '../..');
// As in the written file, fields that are undefined are absent.
const document = JSON.parse(JSON.stringify(await writtenOpenApi()));
writeFileSync(join(root, 'docs/openapi.json'), `${JSON.stringify(document, null, 1)}\n`);
for (const [path, text] of Object.entries(await clientFiles(document))) {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), text);
}
const guide = join(root, 'docs/operations.md');
writeFileSync(guide, withSubjectRows(readFileSync(guide, 'utf8'), ALL_OPERATIONS, NATS_SERVICES));
const operations = Object.values(document.paths).flatMap((item) => Object.keys(item)).length;
console.log(`docs/openapi.json and libs/client/src/generated have ${operations} operations.`);

// Writes docs/openapi.json from the gateway's routes. `npm run openapi` compiles the gateway first.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writtenOpenApi } from '../../services/gateway/dist/openapi-document.js';

const root = join(import.meta.dirname, '../..');
const document = await writtenOpenApi();
writeFileSync(join(root, 'docs/openapi.json'), `${JSON.stringify(document, null, 1)}\n`);
const operations = Object.values(document.paths).flatMap((item) => Object.keys(item)).length;
console.log(`docs/openapi.json has ${operations} operations.`);

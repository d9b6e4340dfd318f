// Writes schemas/ from the contracts. Run by `npm run schemas`.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CONFIG_SCHEMA } from '@batuta/contracts';

const path = 'schemas/config.json';
writeFileSync(join(import.meta.dirname, '../..', path), `${JSON.stringify(CONFIG_SCHEMA, null, 2)}\n`);
console.log(`Written: ${path}`);

import { format } from 'prettier';
import { operationsFile, schemasFile } from './client.mjs';

/** The files of libs/client that are generated from the document, by path. */
export async function clientFiles(document) {
  const options = { parser: 'typescript', singleQuote: true, trailingComma: 'all', printWidth: 120 };
  return {
    'libs/client/src/generated/schemas.ts': await format(schemasFile(document), options),
    'libs/client/src/generated/operations.ts': await format(operationsFile(document), options),
  };
}

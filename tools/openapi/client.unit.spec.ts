import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { clientFiles } from './client-files.mjs';

const ROOT = join(import.meta.dirname, '../..');
const document = JSON.parse(readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8')) as {
  components: { schemas: Record<string, object> };
};

describe('the generated part of libs/client', () => {
  it('matches docs/openapi.json: `npm run openapi` writes it', async () => {
    const files = await clientFiles(document);
    expect(Object.keys(files)).toHaveLength(2);
    for (const [path, text] of Object.entries(files)) expect(readFileSync(join(ROOT, path), 'utf8')).toBe(text);
  });

  it('is not generated from unknown keywords', async () => {
    const { components, ...rest } = document;
    const schemas = { ...components.schemas, New: { type: 'object', properties: { field: { if: {} } } } };
    await expect(clientFiles({ ...rest, components: { ...components, schemas } })).rejects.toThrow(
      'does not know "if"',
    );
  });
});

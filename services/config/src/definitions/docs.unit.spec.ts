import { readdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Sandbox } from '@batuta/sandbox';
import { validateDefinition } from './validate-definition.js';

const sandbox = new Sandbox({ threads: 1 });
afterAll(() => sandbox.close());

let docs = '';
beforeAll(async () => {
  docs = await readFile(new URL('../../../../docs/configs.md', import.meta.url), 'utf8');
});

describe('docs/configs.md', () => {
  it('shows examples that are accepted', async () => {
    const examples = [...docs.matchAll(/^```json (?:config|file=\S+)\n([\s\S]*?)^```$/gm)].map(
      ([, text]) => JSON.parse(text ?? '') as unknown,
    );
    expect(examples.length).toBeGreaterThan(1);
    for (const example of examples) {
      const result = await validateDefinition(example, {
        agentsWithSecrets: () => Promise.resolve(new Set()),
        knownSecrets: () => Promise.resolve({ known: new Set(), meant: new Map() }),
        registeredAgents: () => Promise.resolve(new Set()),
        agentNames: () => Promise.resolve([]),
        knownConfigs: (names) => Promise.resolve(new Map(names.map((name) => [name, { isGlobal: true }]))),
        configNames: () => Promise.resolve([]),
        modelNames: () => Promise.resolve(['cheap', 'writer']),
        checkSchema: (schema) => sandbox.checkSchema(schema, { timeoutMs: 120_000 }),
        parseExpressions: (expressions) => sandbox.parseExpressions(expressions, { timeoutMs: 120_000 }),
        parseTemplates: (templates) => sandbox.parseTemplates(templates, { timeoutMs: 120_000 }),
      });
      expect(result).toMatchObject({ ok: true });
    }
  });

  it('names every code of the validation', async () => {
    const codes = new Set<string>();
    for (const folder of ['./', '../json/', '../agents/']) {
      const directory = new URL(folder, import.meta.url);
      for (const file of (await readdir(directory, { recursive: true })).filter((name) =>
        /^[a-z-/]+\.ts$/.test(name),
      )) {
        const source = await readFile(new URL(file, directory), 'utf8');
        for (const [, code] of source.matchAll(/\.add\(\s*[^;]*?,\s*'([a-z_]+)',/g)) codes.add(code ?? '');
        for (const [, code] of source.matchAll(/\bcode: '([a-z_]+)'/g)) codes.add(code ?? '');
      }
    }
    expect(codes.size).toBeGreaterThan(25);
    expect([...codes].filter((code) => !docs.includes(`\`${code}\``))).toEqual([]);
  });
});

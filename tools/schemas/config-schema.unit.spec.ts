import { readdirSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { CONFIG_SCHEMA } from '@batuta/contracts';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { getLanguageService, TextDocument } from 'vscode-json-languageservice';
import type { CompletionList, Diagnostic } from 'vscode-json-languageservice';
import { read, root } from '../deploy/places.js';

const FILE = 'schemas/config.json';

type Document = Readonly<Record<string, unknown>>;
const isConfig = (value: unknown): value is Document =>
  typeof value === 'object' && value !== null && 'strategy' in value && 'steps' in value;

const jsonFiles = (folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : jsonFiles(`${folder}/${entry.name}`);
    return entry.name.endsWith('.json') ? [`${folder}/${entry.name}`] : [];
  });

const examples = jsonFiles('examples')
  .map((file) => ({ file, document: JSON.parse(read(file)) as unknown }))
  .filter((example): example is { file: string; document: Document } => isConfig(example.document));

const documented = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.md'))
  .flatMap((file) =>
    [...read(`docs/${file}`).matchAll(/^```json[^\n]*\n([\s\S]*?)^```$/gm)].map(([, text = '']) => ({ file, text })),
  )
  .flatMap(({ file, text }) => {
    try {
      const document: unknown = JSON.parse(text);
      return isConfig(document) ? [{ file, document }] : [];
    } catch {
      return [];
    }
  });

describe('the JSON Schema of configs', () => {
  // Ajv in its strictest mode: only keywords of the draft are allowed.
  const validate = new Ajv2020({ allErrors: true, allowUnionTypes: true }).compile(JSON.parse(read(FILE)) as Document);
  const mistakesOf = (document: unknown): string[] =>
    validate(document) ? [] : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);

  it('matches the contracts: run `npm run schemas` if it does not', () => {
    expect(JSON.parse(read(FILE))).toEqual(JSON.parse(JSON.stringify(CONFIG_SCHEMA)));
  });

  it('accepts every example and every config of the documents', () => {
    expect(examples.length).toBeGreaterThan(20);
    expect(documented.length).toBeGreaterThan(5);
    const refused = [...examples, ...documented].map(({ file, document }) => [file, mistakesOf(document)]);
    expect(refused.filter(([, mistakes]) => mistakes?.length !== 0)).toEqual([]);
  });

  it('refuses configs with mistakes', () => {
    const config = { name: 'a', strategy: 'parallel', steps: [{ id: 'a', name: 'a', agent: 'echo' }] };
    expect(mistakesOf(config)).toEqual([]);
    for (const wrong of [
      { ...config, strategy: 'chaos' },
      { ...config, stratgy: 'parallel' },
      { ...config, steps: [] },
      { ...config, steps: { steps: [] } },
      { ...config, steps: [{ id: 'a', name: 'a' }] },
      { ...config, steps: [{ id: 'a b', name: 'a', agent: 'echo' }] },
      { ...config, steps: [{ id: 'a', name: 'a', wait: { duration_ms: 1, until: '2026-03-01T09:00:00Z' } }] },
      { ...config, settings: { budget: {} } },
      { ...config, settings: { callback_url: 'ftp://example.org' } },
    ])
      {expect([wrong, mistakesOf(wrong)]).not.toEqual([wrong, []]);}
  });

  it('describes the purpose of every field', () => {
    const silent: string[] = [];
    const visit = (schema: unknown, path: string): void => {
      if (typeof schema !== 'object' || schema === null) return;
      for (const [keyword, value] of Object.entries(schema)) {
        if (keyword === 'properties') {
          for (const [name, field] of Object.entries(value as Record<string, Document>)) {
            if (typeof field['description'] !== 'string') silent.push(`${path}/${name}`);
          }
        }
        visit(value, `${path}/${keyword}`);
      }
    };
    visit(JSON.parse(read(FILE)), '');
    expect(silent).toEqual([]);
  });

  it('is named by the examples with the correct relative path', () => {
    // The source document is shown as it was given.
    const own = examples.filter(({ file }) => !file.startsWith('examples/source-document/'));
    const lost = own.filter(
      ({ file, document }) => posix.join(posix.dirname(file), String(document['$schema'])) !== FILE,
    );
    expect(lost.map(({ file }) => file)).toEqual([]);
  });
});

describe('the JSON service of VS Code, with the schema of configs', () => {
  const SCHEMA = 'file:///schemas/config.json';
  const service = getLanguageService({
    schemaRequestService: (uri) =>
      uri === SCHEMA ? Promise.resolve(read(FILE)) : Promise.reject(new Error(`nothing at ${uri}`)),
    workspaceContext: { resolveRelativePath: (path, from) => new URL(path, from).href },
  });

  const opened = (text: string): TextDocument =>
    TextDocument.create('file:///examples/mine.json', 'json', 1, text.replace('|', ''));

  /** The completions at the `|` of a text. */
  async function completions(text: string): Promise<CompletionList['items']> {
    const document = opened(text);
    const at = document.positionAt(text.indexOf('|'));
    return (await service.doComplete(document, at, service.parseJSONDocument(document)))?.items ?? [];
  }
  const labels = async (text: string): Promise<string[]> => (await completions(text)).map(({ label }) => label);

  async function mistakes(text: string): Promise<Diagnostic[]> {
    const document = opened(text);
    return service.doValidation(document, service.parseJSONDocument(document));
  }

  const HEAD = '"$schema": "../schemas/config.json", "name": "a", "strategy": "parallel"';

  it('completes the fields of a config, with their descriptions', async () => {
    const items = await completions('{ "$schema": "../schemas/config.json", | }');
    expect(items.map(({ label }) => label)).toEqual(
      expect.arrayContaining(['name', 'strategy', 'steps', 'settings', 'consensus_groups', 'input_schema', 'output']),
    );
    expect(items.find(({ label }) => label === 'strategy')?.documentation).toContain('How the steps are ordered');
  });

  it('completes words, fields of steps, of each kind, and of the nested form', async () => {
    expect(await labels('{ "$schema": "../schemas/config.json", "strategy": | }')).toEqual(
      expect.arrayContaining(['"sequential"', '"parallel"', '"consensus"', '"fallback"']),
    );
    expect(await labels(`{ ${HEAD}, "steps": [{ "id": "a", | }] }`)).toEqual(
      expect.arrayContaining(['name', 'agent', 'dependencies', 'approval', 'wait', 'signal', 'choice', 'llm']),
    );
    expect(await labels(`{ ${HEAD}, "steps": [{ "id": "a", "approval": { | } }] }`)).toEqual(
      expect.arrayContaining(['message', 'approvers', 'timeout_ms', 'on_timeout', 'schema']),
    );
    expect(await labels(`{ ${HEAD}, "steps": [{ "id": "a", "llm": { "tools": [{ | }] } }] }`)).toEqual(
      expect.arrayContaining(['agent', 'finish', 'max_result_bytes']),
    );
    expect(await labels(`{ ${HEAD}, "steps": { "settings": { | } } }`)).toEqual(
      expect.arrayContaining(['parallel_limit', 'budget', 'callback_url']),
    );
  });

  it('reports mistakes at their places, and none in the examples', async () => {
    const text = `{ ${HEAD}, "steps": [{ "id": "a", "name": "a", "agnt": "echo", "timeout_ms": "5s" }] }`;
    const found = await mistakes(text);
    const shown = found.map(({ range }) => text.slice(range.start.character, range.end.character));
    expect(shown).toEqual(expect.arrayContaining(['"agnt"', '"5s"']));
    for (const { document } of examples) {
      const config = { ...document, $schema: '../schemas/config.json' };
      expect(await mistakes(JSON.stringify(config))).toEqual([]);
    }
  });
});

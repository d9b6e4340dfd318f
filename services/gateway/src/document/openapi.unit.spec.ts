import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { writtenOpenApi } from '../openapi-document.js';
import { ALWAYS_THERE, FIELD_RULES } from './parts.js';

interface Content {
  readonly schema?: { readonly $ref?: string; readonly type?: string };
  readonly example?: unknown;
}

interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly unknown[];
  readonly parameters: readonly {
    readonly in: string;
    readonly name: string;
    readonly description?: string;
    readonly schema?: object;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Content>> };
  readonly responses: Readonly<
    Record<
      string,
      { readonly content?: Readonly<Record<string, Content>>; readonly headers: Readonly<Record<string, unknown>> }
    >
  >;
}

interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly nullable?: unknown;
  readonly example?: unknown;
}

interface Written {
  readonly openapi: string;
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>>; readonly examples: object };
}

const ROOT = join(import.meta.dirname, '../../../..');

describe('the OpenAPI document', () => {
  let document: Written;
  let operations: { readonly route: string; readonly operation: Operation }[];

  beforeAll(async () => {
    document = JSON.parse(JSON.stringify(await writtenOpenApi())) as Written;
    operations = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ route: `${method} ${path}`, operation })),
    );
  });

  /** What each operation lacks, as `route: what to do`. */
  const lacking = (look: (operation: Operation, route: string) => readonly string[]): string[] =>
    operations.flatMap(({ route, operation }) => look(operation, route).map((lack) => `${route}: ${lack}`));

  it('is what docs/openapi.json says: `npm run openapi` writes it', () => {
    expect(JSON.parse(readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8'))).toEqual(document);
  });

  it('is OpenAPI 3.1, without keywords of 3.0', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(JSON.stringify(document)).not.toMatch(/"nullable":|"exclusive(Min|Max)imum":(true|false)|"x-any-json"/);
  });

  it('names every operation as a method of a client', () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(ids.length).toBeGreaterThan(60);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
    expect(ids.filter((id) => !/^[a-z][A-Za-z]*\.[a-z][A-Za-z]*$/.test(id))).toEqual([]);
  });

  it('describes every operation: its purpose, its tag, and every parameter', () => {
    const described = new Set(document.tags.filter(({ description }) => description !== '').map(({ name }) => name));
    expect(
      lacking(({ summary = '', tags = [], parameters }) => [
        ...(summary === '' ? ['give it a summary with @ApiOperation'] : []),
        ...(tags.length === 1 ? [] : ['give its controller one @ApiTags']),
        ...tags
          .filter((tag) => !described.has(tag))
          .map((tag) => `describe the tag "${tag}" in TAGS of openapi-tags.ts`),
        ...parameters
          .filter(({ description = '' }) => description === '')
          .map(
            ({ in: place, name }) =>
              `describe the ${place} parameter ${name}, one of a path under "parameters" of its feature's part`,
          ),
      ]),
    ).toEqual([]);
  });

  it('has a named schema for every body and answer, and every header of a success', () => {
    expect(
      lacking(({ requestBody, responses, parameters }, route) => {
        const hasHeader = (name: string): boolean => parameters.some((one) => one.in === 'header' && one.name === name);
        const successes = Object.entries(responses).filter(([status]) => status.startsWith('2'));
        return [
          ...(successes.length === 0 ? ['document its answer with @Answers'] : []),
          ...successes.flatMap(([status, { content = {}, headers }]) => [
            ...(Object.values(content).every(({ schema }) => schema?.$ref !== undefined || schema?.type === 'string') &&
            Object.keys(content).length > 0
              ? []
              : [`name the schema of ${status} with @Answers`]),
            ...(status === '201' && headers['Location'] === undefined ? ['a 201 has a Location'] : []),
            ...(hasHeader('If-None-Match') && !hasHeader('If-Match') && headers['ETag'] === undefined
              ? ['its answer has an ETag: @Answers(…, true)']
              : []),
          ]),
          ...Object.values(requestBody?.content ?? {}).flatMap(({ schema, example }) => [
            ...(schema?.$ref === undefined ? ['name the schema of its body with @ApiBody or @BodyIs'] : []),
            ...(example === undefined ? ['give its body an example in its definition'] : []),
          ]),
          ...(route.startsWith('post /api/') && !hasHeader('Idempotency-Key') && !WITHOUT_KEY.has(route)
            ? ['document its Idempotency-Key with @OnceKey or one of its kin']
            : []),
          ...(hasHeader('Idempotency-Key') && !JSON.stringify(responses['422'] ?? {}).includes('idempotency_mismatch')
            ? ['another request under its Idempotency-Key is refused: add idempotency_mismatch to its @Refuses']
            : []),
        ];
      }),
    ).toEqual([]);
  });

  it('says for every object which fields are always present', () => {
    const silent = Object.entries(document.components.schemas)
      .filter(([, { properties, required = [] }]) => properties !== undefined && required.length === 0)
      .map(([name]) => name)
      .filter((name) => ALWAYS_THERE[name] === undefined && !name.endsWith('Body'));
    // Put the schema under `always` of its feature's part, with an empty list when nothing holds.
    expect(silent).toEqual([]);
  });

  it('has a field for every rule', () => {
    const wrong = Object.keys(FIELD_RULES).filter((name) => {
      const [schema = '', field = ''] = name.split('.');
      return document.components.schemas[schema]?.properties?.[field] === undefined;
    });
    expect(wrong).toEqual([]);
  });

  it('shows examples that its own schemas accept', () => {
    const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
    ajv.addSchema(document, 'api');
    const check = (what: string, schema: string, value: unknown): string[] => {
      const validate = ajv.getSchema(`api#/components/schemas/${schema}`);
      if (validate === undefined) return [`${what}: there is no schema ${schema}`];
      return validate(value) === true ? [] : [`${what}: ${ajv.errorsText(validate.errors)}`];
    };
    const wrong = [
      ...operations.flatMap(({ route, operation }) =>
        Object.values(operation.requestBody?.content ?? {}).flatMap(({ schema, example }) =>
          check(route, schema?.$ref?.split('/').at(-1) ?? '', example),
        ),
      ),
      ...Object.entries(document.components.schemas).flatMap(([name, { example }]) =>
        example === undefined ? [] : check(name, name, example),
      ),
      ...Object.entries(document.components.examples as Record<string, { value: unknown }>).flatMap(
        ([code, { value }]) => check(code, 'Problem', value),
      ),
    ];
    expect(wrong).toEqual([]);
  });
});

/** Their answers have a secret that is not stored, so a repeat could not be answered. */
const WITHOUT_KEY: ReadonlySet<string> = new Set([
  'post /api/v1/pools/{pool}/credentials',
  // It creates nothing.
  'post /api/v1/schedules/preview',
]);

import { describe, expect, it } from '@jest/globals';
import { ALWAYS_THERE, FIELD_DESCRIPTIONS } from './parts.js';
import type { OpenApiSchema } from '../openapi/openapi-schema.js';
import { platformSchemas } from './schemas.js';

interface Schema {
  readonly description?: string;
  readonly properties?: Record<string, Schema>;
  readonly items?: Schema;
  readonly allOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly required?: readonly string[];
}

const schemas = platformSchemas() as Record<string, Schema>;

/** Every field of a schema, including those of nested objects. */
function fieldsOf(name: string, schema: Schema): { readonly path: string; readonly schema: Schema }[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([field, value]) => [
    { path: `${name}.${field}`, schema: value },
    ...fieldsOf(`${name}.${field}`, value),
  ]);
  const inner = [
    ...(schema.items === undefined ? [] : [schema.items]),
    ...(schema.allOf ?? []),
    ...(schema.oneOf ?? []),
  ];
  return [...own, ...inner.flatMap((part) => fieldsOf(name, part))];
}

describe('the schemas of the API', () => {
  const fields = Object.entries(schemas).flatMap(([name, schema]) => fieldsOf(name, schema));

  it('describe every field', () => {
    expect(fields.length).toBeGreaterThan(500);
    const missing = fields.filter(({ schema }) => (schema.description ?? '') === '').map(({ path }) => path);
    // Describe new ones under `says` of their feature's part.
    expect(missing).toEqual([]);
  });

  it('have a field for every description', () => {
    const names = new Set(fields.flatMap(({ path }) => [path, path.split('.').at(-1) ?? '']));
    expect(Object.keys(FIELD_DESCRIPTIONS).filter((name) => !names.has(name))).toEqual([]);
  });

  it('list no field as always present that they do not have', () => {
    const unknown = Object.entries(ALWAYS_THERE).flatMap(([name, always]) =>
      always.filter((field) => schemas[name]?.properties?.[field] === undefined).map((field) => `${name}.${field}`),
    );
    expect(unknown).toEqual([]);
  });

  it('distinguish events by their type', () => {
    const { discriminator, oneOf } = schemas['Event'] as OpenApiSchema & {
      discriminator: { propertyName: string; mapping: Record<string, string> };
      oneOf: { $ref: string }[];
    };
    expect(discriminator.propertyName).toBe('type');
    expect(Object.values(discriminator.mapping)).toEqual(oneOf.map(({ $ref }) => $ref));
    for (const [type, target] of Object.entries(discriminator.mapping)) {
      const event = schemas[target.split('/').at(-1) ?? ''];
      expect(event?.required).toContain('type');
      expect(event?.properties?.['type']).toMatchObject({ const: type });
      expect(event?.properties?.['data']).toMatchObject({ $ref: `#/components/schemas/${type}` });
    }
  });
});

import { ANY } from '../dto/any-json.js';
import type { OpenApiSchema } from '../openapi/openapi-schema.js';
import { ALWAYS_THERE, FIELD_DESCRIPTIONS, FIELD_RULES } from './parts.js';

/** The schema of a class, with its fields for any JSON. */
export function withAnyJson(schema: OpenApiSchema): OpenApiSchema {
  const { properties = {} } = schema as { properties?: Record<string, OpenApiSchema> };
  return {
    ...schema,
    properties: Object.fromEntries(
      Object.entries(properties).map(([name, field]) => {
        if (field[ANY] !== true) return [name, field];
        const { type: _type, additionalProperties: _more, [ANY]: _any, ...rest } = field;
        return [name, rest];
      }),
    ),
  };
}

/**
 * A schema with a description of every field and a list of the fields that are always present. Does not change what it
 * already has.
 */
export function describedSchema(name: string, schema: OpenApiSchema): OpenApiSchema {
  const always = ALWAYS_THERE[name] ?? [];
  const required = [...new Set([...((schema['required'] as string[] | undefined) ?? []), ...always])];
  return { ...describe(name, schema), ...(required.length === 0 ? {} : { required }) };
}

function describe(name: string, schema: OpenApiSchema): OpenApiSchema {
  const { properties, items, allOf, oneOf } = schema as {
    properties?: Record<string, OpenApiSchema>;
    items?: OpenApiSchema;
    allOf?: OpenApiSchema[];
    oneOf?: OpenApiSchema[];
  };
  const parts = (list: OpenApiSchema[]): OpenApiSchema[] => list.map((part) => describe(name, part));
  return {
    ...schema,
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties).map(([field, value]) => [field, describedField(name, field, value)]),
          ),
        }),
    ...(items === undefined ? {} : { items: describe(name, items) }),
    ...(allOf === undefined ? {} : { allOf: parts(allOf) }),
    ...(oneOf === undefined ? {} : { oneOf: parts(oneOf) }),
  };
}

function describedField(name: string, field: string, schema: OpenApiSchema): OpenApiSchema {
  const inner = describe(name, schema);
  const said = schema['description'] ?? FIELD_DESCRIPTIONS[`${name}.${field}`] ?? FIELD_DESCRIPTIONS[field];
  const description = said ?? (Object.keys(schema).length === 0 ? 'Any JSON.' : undefined);
  const rule = FIELD_RULES[`${name}.${field}`] ?? {};
  return { ...inner, ...ruled(inner, rule), ...(description === undefined ? {} : { description }) };
}

/** Adds a rule to a schema. A nullable field keeps its own types, which already say so. */
function ruled(schema: OpenApiSchema, rule: OpenApiSchema): OpenApiSchema {
  const { items, ...own } = rule as { items?: OpenApiSchema };
  return items === undefined ? own : { ...own, items: { ...(schema['items'] as OpenApiSchema | undefined), ...items } };
}

import { ALWAYS_THERE, FIELD_DESCRIPTIONS } from './openapi-descriptions.js';

export type OpenApiSchema = Record<string, unknown>;

/** A schema with a description of every field and a list of those that are always there. Changes nothing that stands in it already. */
export function describedSchema(name: string, schema: OpenApiSchema): OpenApiSchema {
  const always = ALWAYS_THERE[name];
  return {
    ...describe(name, schema),
    ...(always === undefined || 'required' in schema ? {} : { required: [...always] }),
  };
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
  const description = schema['description'] ?? FIELD_DESCRIPTIONS[`${name}.${field}`] ?? FIELD_DESCRIPTIONS[field];
  if (description === undefined) return inner;
  // What stands beside a reference is not read in OpenAPI 3.0.
  return '$ref' in inner ? { allOf: [inner], description } : { ...inner, description };
}

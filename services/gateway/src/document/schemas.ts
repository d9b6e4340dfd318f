import { REF } from '../openapi/openapi-schema.js';
import type { OpenApiSchema } from '../openapi/openapi-schema.js';
import { describedSchema } from './fields.js';
import { SchemasOfMessages } from './message-schemas.js';
import { merged, PARTS } from './parts.js';

/** Every named schema of the API's document, except bodies that are classes. */
export function platformSchemas(): Record<string, OpenApiSchema> {
  const described = Object.fromEntries(
    Object.entries(undescribedSchemas()).map(([name, schema]) => [name, describedSchema(name, schema)]),
  );
  return Object.fromEntries(Object.entries(described).map(([name, schema]) => [name, inOnePiece(schema, described)]));
}

function undescribedSchemas(): Record<string, OpenApiSchema> {
  const messages = new SchemasOfMessages();
  for (const message of PARTS.flatMap((part) => part.messages ?? [])) messages.refTo(message);
  const made = { messages: messages.all, described: describedSchema };
  return { ...messages.all, ...merged(PARTS.map(({ schemas }) => schemas?.(made) ?? {})) };
}

/**
 * A schema that extends others, as one object, so that generated clients have one class for it without a base class.
 */
function inOnePiece(schema: OpenApiSchema, all: Readonly<Record<string, OpenApiSchema>>): OpenApiSchema {
  const { allOf, ...rest } = schema as { allOf?: OpenApiSchema[] };
  if (allOf === undefined) return schema;
  const parts = allOf.map((part) => {
    const name = (part['$ref'] as string | undefined)?.slice(REF.length);
    return inOnePiece(name === undefined ? part : (all[name] ?? {}), all);
  });
  return {
    type: 'object',
    ...rest,
    required: [...new Set(parts.flatMap(({ required = [] }) => required as string[]))],
    properties: Object.assign({}, ...parts.map(({ properties = {} }) => properties)) as OpenApiSchema,
  };
}

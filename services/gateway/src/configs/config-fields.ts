import { CONFIG_SCHEMA } from '@batuta/contracts';
import type { DocumentSchema } from '@batuta/contracts';
import type { OpenApiPart } from '../openapi/openapi-part.js';
import type { OpenApiSchema } from '../openapi/openapi-schema.js';

type Schemas = Readonly<Record<string, DocumentSchema>>;

const definitions = CONFIG_SCHEMA['$defs'] as Schemas;

/**
 * Definitions whose schemas in the document come from the contract's messages. The others describe one field, or a form
 * of a config that is not stored. A budget is also a part of answers, which have more to say.
 */
const ELSEWHERE: ReadonlySet<string> = new Set(['Budget', 'NestedSteps']);

const objects: Schemas = {
  ...Object.fromEntries(
    Object.entries(definitions).filter(([name, schema]) => 'properties' in schema && !ELSEWHERE.has(name)),
  ),
  OrchestrationDefinition: CONFIG_SCHEMA,
};

const RULES = [
  'enum',
  'format',
  'pattern',
  'minLength',
  'maxLength',
  'minimum',
  'exclusiveMinimum',
  'maximum',
  'minItems',
  'maxItems',
];

/** The definition that a field refers to, if it does. A field that may be null refers to it under `then`. */
function definitionOf(schema: DocumentSchema): DocumentSchema | undefined {
  const { $ref } = { ...(schema['then'] as DocumentSchema | undefined), ...schema };
  return typeof $ref === 'string' ? definitions[$ref.slice('#/$defs/'.length)] : undefined;
}

/** What a field may hold. Null is left out, because it means that the field is absent. */
function rulesOf(schema: DocumentSchema): OpenApiSchema {
  const all = { ...definitionOf(schema), ...schema };
  if ('properties' in all) return {};
  const items = all['items'] === undefined ? {} : rulesOf(all['items'] as DocumentSchema);
  const types = [all['type'] ?? []].flat().filter((type) => type !== 'null');
  return {
    ...(types.length === 0 ? {} : { type: types.length === 1 ? types[0] : types }),
    ...(types[0] === 'object' && all['additionalProperties'] === undefined ? { additionalProperties: true } : {}),
    ...Object.fromEntries(RULES.flatMap((keyword) => (all[keyword] === undefined ? [] : [[keyword, all[keyword]]]))),
    ...(Array.isArray(all['enum']) ? { enum: (all['enum'] as unknown[]).filter((word) => word !== null) } : {}),
    ...(Object.keys(items).length === 0 ? {} : { items }),
  };
}

function descriptionOf(schema: DocumentSchema): string {
  const { description, default: fallback } = { ...definitionOf(schema), ...schema };
  const text = description as string;
  return fallback === undefined || fallback === false || text.includes('default')
    ? text
    : `${text} Default: \`${String(fallback as string | number | boolean)}\`.`;
}

/** An entry for each field of a config, by `<Schema>.<field>`. */
const byField = <T>(of: (field: DocumentSchema) => T): Record<string, T> =>
  Object.fromEntries(
    Object.entries(objects).flatMap(([name, { properties }]) =>
      Object.entries(properties as Schemas).map(([field, schema]) => [`${name}.${field}`, of(schema)]),
    ),
  );

/** What the JSON Schema of configs says about their fields: their rules, their meaning, and which of them are required. */
export const CONFIG_FIELDS = {
  always: Object.fromEntries(
    Object.entries(objects).map(([name, { required = [] }]) => [name, required as readonly string[]]),
  ),
  // A reference to a definition has no rules of its own.
  rules: Object.fromEntries(Object.entries(byField(rulesOf)).filter(([, rules]) => Object.keys(rules).length > 0)),
  says: byField(descriptionOf),
} satisfies OpenApiPart;

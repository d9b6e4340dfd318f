/** A JSON Schema as OpenAPI 3.1 has it. */
export type OpenApiSchema = Record<string, unknown>;

/** The beginning of every reference to a named schema of the document. */
export const REF = '#/components/schemas/';
export const ref = (name: string): OpenApiSchema => ({ $ref: `${REF}${name}` });
export const listOf = (name: string): OpenApiSchema => ({ type: 'array', items: ref(name) });

export const text = (description: string, more: OpenApiSchema = {}): OpenApiSchema => ({
  type: 'string',
  description,
  ...more,
});
export const time = (description: string): OpenApiSchema => text(description, { format: 'date-time' });

/**
 * An object of these fields. All of them are always present unless `required` says otherwise, except those that stand in
 * place of a large payload.
 */
export const object = (
  properties: Record<string, OpenApiSchema>,
  required: readonly string[] = Object.keys(properties),
): OpenApiSchema => ({
  type: 'object',
  required: required.filter((field) => !field.endsWith('_omitted')),
  properties,
});

/** The schema, or null. */
export function nullable(schema: OpenApiSchema): OpenApiSchema {
  const { type, enum: words } = schema;
  if (typeof type === 'string') {
    return {
      ...schema,
      type: [type, 'null'],
      ...(Array.isArray(words) ? { enum: [...(words as unknown[]), null] } : {}),
    };
  }
  // A schema without a type allows any JSON, including null.
  return '$ref' in schema || 'oneOf' in schema ? { anyOf: [schema, { type: 'null' }] } : schema;
}

/** The cursor of the next page, of lists about callbacks. */
export const CURSOR: OpenApiSchema = {
  type: ['string', 'null'],
  description: 'Give it as `cursor` for the next page.',
};

/** A page of a list. */
export const page = (name: string, items: string): OpenApiSchema => ({
  type: 'object',
  required: [name, 'next_cursor'],
  properties: {
    [name]: listOf(items),
    next_cursor: nullable({ type: 'string', description: 'Cursor of the next page; null on the last page.' }),
  },
});

/** A page of a list that also supports offset. */
export const countedPage = (name: string, items: string): OpenApiSchema => {
  const { properties, ...rest } = page(name, items);
  return {
    ...rest,
    properties: {
      ...(properties as Record<string, OpenApiSchema>),
      total: { type: 'integer', description: 'Items on all pages; with `offset` or `with_total`.' },
      limit: { type: 'integer', description: 'As in the request; only with `offset`.' },
      offset: { type: 'integer', description: 'As in the request; only with `offset`.' },
    },
  };
};

/** A field in the answer of every POST that takes an `Idempotency-Key`. */
export const REPEATED: OpenApiSchema = {
  type: 'boolean',
  description: 'True when this is the first answer to the same Idempotency-Key again; absent otherwise.',
};

/** A JSON Schema as OpenAPI 3.1 has it. */
export type OpenApiSchema = Record<string, unknown>;

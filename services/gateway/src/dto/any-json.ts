/** Marks a field that may contain any JSON, until the document is written. */
export const ANY = 'x-any-json';

/**
 * For `@ApiProperty` of a field that may contain any JSON. The decorator always needs a type, which `withAnyJson`
 * removes.
 */
export const ANY_JSON = { type: 'object', additionalProperties: true, [ANY]: true } as const;

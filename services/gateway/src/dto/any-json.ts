/** What marks a field that holds any JSON, until the document is written. */
export const ANY = 'x-any-json';

/** For `@ApiProperty` of a field that holds any JSON: the decorator always says some type, which `withAnyJson` takes away. */
export const ANY_JSON = { type: 'object', additionalProperties: true, [ANY]: true } as const;

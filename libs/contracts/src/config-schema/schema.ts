import type { NameMistake } from '../names.js';

/** A mistake in a value. `path` is a JSON Pointer relative to the value. Without it, the value itself is wrong. */
export interface ValueMistake {
  readonly code: string;
  readonly message: string;
  readonly path?: string;
}

/**
 * A rule that JSON Schema cannot express, or not with a clear message. It is called only for values that have the
 * `type` of its schema.
 */
export type ValueRule = (value: unknown) => ValueMistake | readonly ValueMistake[] | NameMistake | undefined;

/**
 * A rule of a schema that is code. It replaces those keywords of the same schema that are only an approximation for
 * editors: `pattern`, `not`, `anyOf`, `oneOf` and `propertyNames`. The key is a symbol, so that the JSON form contains
 * only JSON Schema.
 */
export const RULE = Symbol('rule');

/** `then` applies to values that are valid by `test`, and `otherwise`, if given, to all others. */
export const ifThen = (test: DocumentSchema, then: DocumentSchema, otherwise?: DocumentSchema): DocumentSchema => ({
  if: test,
  // oxlint-disable-next-line unicorn/no-thenable -- the keyword of JSON Schema; nobody awaits a schema
  then,
  ...(otherwise === undefined ? {} : { else: otherwise }),
});

/** Advice that follows a message and a semicolon: for a number that is too small by a small amount, or for what is missing. */
export const HINT = Symbol('hint');

/** A JSON Schema (draft 2020-12) against which the platform checks its own documents. */
export interface DocumentSchema {
  readonly [keyword: string]: unknown;
  readonly [RULE]?: ValueRule;
  readonly [HINT]?: string;
}

/** The properties of an object of type `T`: exactly its fields. */
export type FieldSchemas<T> = Readonly<Record<keyof T, DocumentSchema>>;

/** An object with exactly these fields. A null field counts as absent before the schema is checked. */
export function objectOf<T>(
  description: string,
  properties: FieldSchemas<T>,
  required: readonly (keyof T & string)[] = [],
): DocumentSchema {
  return {
    description,
    type: 'object',
    properties,
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false,
  };
}

/** A reference to a definition of the config's schema, with a description for this place. */
export const use = (definition: string, description: string): DocumentSchema => ({
  $ref: `#/$defs/${definition}`,
  description,
});

export const word = (description: string, values: readonly string[], fallback?: string): DocumentSchema => ({
  description,
  type: 'string',
  enum: values,
  ...(fallback === undefined ? {} : { default: fallback }),
});

export const whole = (description: string, minimum: number, maximum: number, fallback?: number): DocumentSchema => ({
  description,
  type: 'integer',
  minimum,
  maximum,
  ...(fallback === undefined ? {} : { default: fallback }),
});

export const flag = (description: string, fallback: boolean): DocumentSchema => ({
  description,
  type: 'boolean',
  default: fallback,
});

/** Any JSON. */
export const anyJson = (description: string): DocumentSchema => ({ description });

export const anyObject = (description: string): DocumentSchema => ({ description, type: 'object' });

/** A text with a number of characters (code points) in this range. */
export const text = (description: string, minLength: number, maxLength: number): DocumentSchema => ({
  description,
  type: 'string',
  ...(minLength === 0 ? {} : { minLength }),
  maxLength,
});

/** A list. A list that is too long is refused as a whole, without checking its entries. */
export const list = (
  description: string,
  items: DocumentSchema,
  { min = 0, max }: { readonly min?: number; readonly max: number },
): DocumentSchema => ({ description, type: 'array', ...(min === 0 ? {} : { minItems: min }), maxItems: max, items });

import type { NameMistake } from '../names.js';

/** What is wrong with one value. `path` is a JSON Pointer below the value; without it, the value itself is meant. */
export interface ValueMistake {
  readonly code: string;
  readonly message: string;
  readonly path?: string;
}

/** What JSON Schema cannot say of a value, or not in words for people. It sees only values that have the `type` of its schema. */
export type ValueRule = (value: unknown) => ValueMistake | readonly ValueMistake[] | NameMistake | undefined;

/**
 * The rule of a schema that is code. It stands in for the keywords of the same schema that only approximate it for editors: `pattern`, `not`,
 * `anyOf`, `oneOf` and `propertyNames`. A symbol, so that the JSON form holds nothing but JSON Schema.
 */
export const RULE = Symbol('rule');

/** `then` holds for what fits `test`, and `otherwise`, if there is one, for the rest. */
export const ifThen = (test: DocumentSchema, then: DocumentSchema, otherwise?: DocumentSchema): DocumentSchema => ({
  if: test,
  // oxlint-disable-next-line unicorn/no-thenable -- the keyword of JSON Schema; nobody awaits a schema
  then,
  ...(otherwise === undefined ? {} : { else: otherwise }),
});

/** What to write in place of a number that `exclusiveMinimum` refuses by a hair, as a sentence after "must be above …". */
export const HINT = Symbol('hint');

/** A JSON Schema (draft 2020-12) that the platform's own documents are checked against. */
export interface DocumentSchema {
  readonly [keyword: string]: unknown;
  readonly [RULE]?: ValueRule;
  readonly [HINT]?: string;
}

/** The properties of an object of type `T`: each of its fields, and no other. */
export type FieldSchemas<T> = Readonly<Record<keyof T, DocumentSchema>>;

/** An object with these fields only. A field that is null counts as absent before the schema is asked. */
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

/** A definition of the config's schema, described for the place where it is used. */
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

/** A text of so many characters (code points). */
export const text = (description: string, minLength: number, maxLength: number): DocumentSchema => ({
  description,
  type: 'string',
  ...(minLength === 0 ? {} : { minLength }),
  maxLength,
});

/** A list; one that is too long is refused as a whole, and its entries are not looked at. */
export const list = (
  description: string,
  items: DocumentSchema,
  { min = 0, max }: { readonly min?: number; readonly max: number },
): DocumentSchema => ({ description, type: 'array', ...(min === 0 ? {} : { minItems: min }), maxItems: max, items });

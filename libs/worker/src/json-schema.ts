import type { JsonObject, JsonValue } from '@batuta/contracts';

/** JSON Schema 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * The type of the values that are valid by a schema, as far as TypeScript can express it: types, properties, items,
 * `enum` and `const`. `Any` is the type where anything is valid, and `Fields` the type of objects whose properties are
 * not given.
 */
export type JsonOf<Schema, Any = JsonValue, Fields = JsonObject> = Schema extends { readonly const: infer Value }
  ? Value
  : Schema extends { readonly enum: readonly (infer Value)[] }
    ? Value
    : Schema extends { readonly type: infer Type }
      ? OfType<Type extends readonly (infer One)[] ? One : Type, Schema, Any, Fields>
      : Schema extends { readonly properties: unknown }
        ? ObjectOf<Schema, Any, Fields>
        : Any;

type OfType<Type, Schema, Any, Fields> = Type extends 'string'
  ? string
  : Type extends 'number' | 'integer'
    ? number
    : Type extends 'boolean'
      ? boolean
      : Type extends 'null'
        ? null
        : Type extends 'array'
          ? readonly (Schema extends { readonly items: infer Items } ? JsonOf<Items, Any, Fields> : Any)[]
          : Type extends 'object'
            ? ObjectOf<Schema, Any, Fields>
            : Any;

type RequiredOf<Schema> = Schema extends { readonly required: readonly (infer Name)[] } ? Name : never;

type ObjectOf<Schema, Any, Fields> = Schema extends { readonly properties: infer Properties }
  ? {
      readonly [Name in keyof Properties as Name extends RequiredOf<Schema> ? Name : never]: JsonOf<
        Properties[Name],
        Any,
        Fields
      >;
    } & {
      readonly [Name in keyof Properties as Name extends RequiredOf<Schema> ? never : Name]?:
        JsonOf<Properties[Name], Any, Fields> | undefined;
    }
  : Fields;

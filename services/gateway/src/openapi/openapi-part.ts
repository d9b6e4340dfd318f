import type { DescMessage } from '@bufbuild/protobuf';
import type { OpenApiSchema } from './openapi-schema.js';

/** A path parameter, with an example value. */
export interface PathParameter {
  readonly description: string;
  readonly schema: OpenApiSchema;
  readonly example?: string;
}

/** The schemas of the messages, and how any schema gets its descriptions and its list of required fields. */
interface MessageSchemas {
  readonly messages: Readonly<Record<string, OpenApiSchema>>;
  readonly described: (name: string, schema: OpenApiSchema) => OpenApiSchema;
}

type BySchema<T> = Readonly<Record<string, T>>;

/** The part of a feature in the API's document. It stands in the folder of the feature. */
export interface OpenApiPart {
  /** Messages of the contract that answers show. Schemas are made of them and of the messages in them. */
  readonly messages?: readonly DescMessage[];
  /** Schemas that are not messages of the contract. They replace a message's schema of the same name. */
  readonly schemas?: (made: MessageSchemas) => Record<string, OpenApiSchema>;
  /** The values that a field may have, by `<Schema>.<field>`. */
  readonly words?: BySchema<readonly string[]>;
  /** Fields other than times that are null while they have no value, as `<Schema>.<field>`. */
  readonly nullable?: readonly string[];
  /** The fields that are always present, by schema. An empty list means none. A test refuses a schema without an entry. */
  readonly always?: BySchema<readonly string[]>;
  /** The rules that the services apply to users' input, by `<Schema>.<field>`. */
  readonly rules?: BySchema<OpenApiSchema>;
  /**
   * The description of each field. `<Schema>.<field>` takes precedence over `<field>`, which applies to that name in
   * every schema. A description in the schema itself takes precedence over both.
   */
  readonly says?: Readonly<Record<string, string>>;
  /** Path parameters, by a pattern of the path and the parameter's name. */
  readonly parameters?: readonly (readonly [RegExp, string, PathParameter])[];
}

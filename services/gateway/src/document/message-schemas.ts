import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';
import { nullable, ref } from '../openapi/openapi-schema.js';
import type { OpenApiSchema } from '../openapi/openapi-schema.js';
import { NULLABLE, WORDS } from './parts.js';

const isAnyJson = ({ typeName }: DescMessage): boolean =>
  typeName.startsWith('google.protobuf.') && typeName !== 'google.protobuf.Struct';
const isTime = (field: DescField): boolean => field.name.endsWith('_at') || field.name === 'at';

function scalarSchema(scalar: ScalarType): OpenApiSchema {
  switch (scalar) {
    case ScalarType.BOOL:
      return { type: 'boolean' };
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return { type: 'string' };
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return { type: 'number' };
    default:
      return { type: 'integer' };
  }
}

/** OpenAPI schemas of the API's messages, generated from the contract, so that they cannot differ from it. */
export class SchemasOfMessages {
  readonly all: Record<string, OpenApiSchema> = {};

  refTo(message: DescMessage): OpenApiSchema {
    if (message.typeName === 'google.protobuf.Struct') return { type: 'object', additionalProperties: true };
    if (isAnyJson(message)) return { description: 'Any JSON.' };
    const name = message.name;
    if (!Object.hasOwn(this.all, name)) {
      this.all[name] = {};
      this.all[name] = {
        type: 'object',
        properties: Object.fromEntries(
          message.fields
            .filter((field) => field.name !== 'trace')
            .map((field) => [field.name, this.#field(message, field)]),
        ),
      };
    }
    return ref(name);
  }

  #field(message: DescMessage, field: DescField): OpenApiSchema {
    switch (field.fieldKind) {
      case 'message':
        return isAnyJson(field.message) ? {} : this.refTo(field.message);
      case 'list':
        return {
          type: 'array',
          items:
            field.listKind === 'message'
              ? this.refTo(field.message)
              : field.listKind === 'scalar'
                ? scalarSchema(field.scalar)
                : {},
        };
      case 'map':
        return {
          type: 'object',
          additionalProperties: field.mapKind === 'scalar' ? scalarSchema(field.scalar) : {},
        };
      case 'enum':
        return { type: 'string' };
      case 'scalar': {
        if (isTime(field)) return nullable({ type: 'string', format: 'date-time' });
        const words = WORDS[`${message.name}.${field.name}`];
        const scalar = scalarSchema(field.scalar);
        const schema = NULLABLE.has(`${message.name}.${field.name}`) ? nullable(scalar) : scalar;
        return words === undefined ? schema : { ...schema, enum: [...words] };
      }
    }
  }
}

import type { DescField, DescMessage } from '@bufbuild/protobuf';
import type { JsonObject, JsonValue } from './common.js';
import { EVENT_SCHEMAS } from './events.js';
import type { Event } from './events.js';
import { isoTime } from './time.js';

/** Fields with epoch milliseconds end in `At` and are doubles. Users see them as RFC 3339. */
function isTime(field: DescField): boolean {
  return field.name.endsWith('_at') || field.name === 'at';
}

const shown = new WeakMap<DescMessage, readonly DescField[]>();

/** The fields that users see. The place of a failure in an agent's code (`trace`) is for operators only. */
function shownFields(schema: DescMessage): readonly DescField[] {
  let fields = shown.get(schema);
  if (fields === undefined) {
    const isFailure = schema.typeName === 'batuta.common.v1.Failure';
    fields = schema.fields.filter((field) => !(isFailure && field.name === 'trace'));
    shown.set(schema, fields);
  }
  return fields;
}

function convertField(field: DescField, value: JsonValue): JsonValue {
  if (field.fieldKind === 'message') {
    return convertMessage(field.message, value);
  }
  if (field.fieldKind === 'list' && field.listKind === 'message' && Array.isArray(value)) {
    return value.map((item) => convertMessage(field.message, item));
  }
  if (typeof value === 'number' && isTime(field)) {
    return value === 0 ? null : isoTime(value);
  }
  return value;
}

function convertMessage(schema: DescMessage, value: JsonValue): JsonValue {
  // Values and structs are the user's own documents. Their keys must not be renamed.
  if (schema.typeName.startsWith('google.protobuf.')) {
    return value;
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    return value;
  }
  const result: JsonObject = {};
  for (const field of shownFields(schema)) {
    const item = value[field.jsonName];
    if (item !== undefined) {
      result[field.name] = convertField(field, item);
    }
  }
  return result;
}

/**
 * Converts a message to the form for users: field names in snake_case, times as RFC 3339 strings, the user's own
 * documents unchanged. Takes proto-JSON of `schema`. Fields that are not in the schema are left out.
 */
export function toUserJson(schema: DescMessage, value: unknown): JsonObject {
  return convertMessage(schema, value as JsonValue) as JsonObject;
}

/**
 * An event in the form for users: `{version, type, at, execution_id, data}`. For a type that this version does not
 * know, written by a newer engine, the data are left out, because they may contain fields that users must not see.
 */
export function eventToUserJson(event: Event): JsonObject {
  const schema: DescMessage | undefined = EVENT_SCHEMAS[event.type];
  return {
    execution_id: event.executionId,
    version: event.version,
    type: event.type,
    at: isoTime(event.at),
    data: schema === undefined ? {} : toUserJson(schema, event.data ?? {}),
    ...(event.dataOmitted === undefined ? {} : { data_omitted: { ...event.dataOmitted } }),
  };
}

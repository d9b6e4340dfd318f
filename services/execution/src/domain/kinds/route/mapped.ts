import type { JsonObject, JsonValue } from '@batuta/contracts';
import { canonicalJson, isObject } from '../../structures/json.js';

/** What the mapping of a route came to. */
export interface Mapped {
  /** The conditions of the candidates, in their order. */
  readonly conditions: readonly JsonValue[];
  /** The text that is decided about. */
  readonly message: string;
  /** What the chosen candidate is given. */
  readonly input: JsonValue;
}

/** `given`: the input when the config has no mapping of it. */
export function readMapped(value: JsonValue, given: () => JsonValue): Mapped {
  const mapped = isObject(value) ? value : ({} as JsonObject);
  const input = mapped.input === undefined ? given() : mapped.input;
  // A mapping that gives null does not mean the whole input: it may be there to keep the rest from a model.
  const message = mapped.message === undefined ? ofInput(input) : mapped.message;
  return {
    conditions: Array.isArray(mapped.rules) ? mapped.rules : [],
    // In the order of keys that the log keeps, so that the text is the same whoever puts it together.
    message: typeof message === 'string' ? message : canonicalJson(message),
    input,
  };
}

function ofInput(input: JsonValue): JsonValue {
  const { message } = isObject(input) ? input : ({} as JsonObject);
  return message === undefined ? input : message;
}

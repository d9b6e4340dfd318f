import type { Failure, JsonObject, JsonValue } from '@batuta/contracts';
import { LIMITS } from '@batuta/contracts';
import { flag, name, object, onlyKnown, optional, text } from './fields.js';
import { spendingDetails } from '../domain/index.js';

/** An agent's failure details may be as large as an output. Of larger ones only the spending is kept. */
function details(value: JsonObject): JsonObject {
  const bytes = Buffer.byteLength(JSON.stringify(value));
  return bytes <= LIMITS.payloadBytes ? value : { omitted_bytes: bytes, ...spendingDetails(value).details };
}

const FAILURE = new Set(['code', 'message', 'retryable', 'details', 'trace']);

export function failure(value: JsonValue, path: string): Failure {
  const found = object(value, path);
  onlyKnown(found, path, FAILURE);
  return {
    code: name(found.code, `${path}.code`),
    message: text(found.message, `${path}.message`).slice(0, 10_000),
    retryable: flag(found.retryable, `${path}.retryable`),
    ...(found.details === undefined ? {} : { details: details(object(found.details, `${path}.details`)) }),
    ...optional('trace', text(found.trace, `${path}.trace`).slice(0, 20_000)),
  };
}

import type { AttemptCheckRequest, AttemptHeartbeat, AttemptOutput, JsonValue, OutputPart } from '@batuta/contracts';
import { OUTPUT_KIND, OUTPUT_LIMITS, OUTPUT_START } from '@batuta/contracts';
import { fail, flag, id, int, name, object, onlyKnown, optional, parse, text } from './fields.js';
import type { Payload } from './fields.js';

const CHECK = new Set(['executionId', 'stepId', 'attempt', 'token', 'incarnation', 'redelivered', 'alone']);

/** Decodes an AttemptCheckRequest. Throws `MalformedRequest`. */
export function decodeCheck(payload: Payload): AttemptCheckRequest {
  const found = object(parse(payload), '');
  onlyKnown(found, '', CHECK);
  return {
    executionId: id(found.executionId, 'executionId'),
    stepId: name(found.stepId, 'stepId'),
    attempt: int(found.attempt, 'attempt'),
    ...optional('token', text(found.token, 'token')),
    ...(found.incarnation === undefined ? {} : { incarnation: name(found.incarnation, 'incarnation') }),
    redelivered: found.redelivered === true,
    alone: found.alone === true,
  };
}

const HEARTBEAT = new Set(['executionId', 'stepId', 'attempt', 'progress', 'message', 'last', 'token']);

/** Decodes an AttemptHeartbeat. Throws `MalformedRequest`. */
export function decodeHeartbeat(payload: Payload): AttemptHeartbeat {
  const found = object(parse(payload), '');
  onlyKnown(found, '', HEARTBEAT);
  const { progress } = found;
  if (progress !== undefined && (typeof progress !== 'number' || progress < 0 || progress > 1)) {
    return fail('progress', 'a number from 0 to 1');
  }
  return {
    executionId: id(found.executionId, 'executionId'),
    stepId: name(found.stepId, 'stepId'),
    attempt: int(found.attempt, 'attempt'),
    ...optional('token', text(found.token, 'token')),
    ...(progress === undefined ? {} : { progress }),
    ...optional('message', text(found.message, 'message').slice(0, 2_000)),
    ...(flag(found.last, 'last') ? { last: true } : {}),
  };
}

const OUTPUT = new Set(['executionId', 'stepId', 'attempt', 'token', 'from', 'parts', 'run']);
const PART = new Set(['kind', 'text', 'id', 'name']);

/** Decodes an AttemptOutput. Throws `MalformedRequest`. */
export function decodeOutput(payload: Payload): AttemptOutput {
  const found = object(parse(payload), '');
  onlyKnown(found, '', OUTPUT);
  const { parts } = found;
  if (!Array.isArray(parts) || parts.length === 0 || parts.length > OUTPUT_LIMITS.messageParts) {
    return fail('parts', `a list of 1 to ${OUTPUT_LIMITS.messageParts} parts`);
  }
  const from = int(found.from, 'from');
  if (from < 1) return fail('from', 'a whole number from 1');
  return {
    executionId: id(found.executionId, 'executionId'),
    stepId: name(found.stepId, 'stepId'),
    attempt: int(found.attempt, 'attempt'),
    ...optional('token', text(found.token, 'token')),
    from,
    run: name(found.run, 'run', OUTPUT_LIMITS.id),
    parts: parts.map((part, place) => outputPart(part, `parts[${place}]`)),
  };
}

function outputPart(value: JsonValue, path: string): OutputPart {
  const found = object(value, path);
  onlyKnown(found, path, PART);
  const kind = text(found.kind, `${path}.kind`);
  if (!OUTPUT_KIND.test(kind) || kind === OUTPUT_START) {
    return fail(`${path}.kind`, 'a short name in lower case, such as text');
  }
  const body = text(found.text, `${path}.text`);
  if (Buffer.byteLength(body) > OUTPUT_LIMITS.partBytes) {
    return fail(`${path}.text`, `a text of at most ${OUTPUT_LIMITS.partBytes} bytes`);
  }
  return {
    kind,
    text: body,
    ...optional('id', text(found.id, `${path}.id`).slice(0, OUTPUT_LIMITS.id)),
    ...optional('name', text(found.name, `${path}.name`).slice(0, OUTPUT_LIMITS.name)),
  };
}

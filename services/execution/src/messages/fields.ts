import type { JsonObject, JsonValue } from '@batuta/contracts';
import { LATEST_TIME_MS } from '@batuta/contracts';
import { JsonMessage } from '@batuta/messaging';
import { mayHoldUnstorable, storableJson } from '@batuta/event-store';

// The fields of messages between processes, which services write and not users. Users' documents are checked by JSON Schema.

/** A request that does not fit its message. The text is for the sender and names the place. */
export class MalformedRequest extends Error {
  override readonly name = 'MalformedRequest';
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const LARGEST_INT32 = 2_147_483_647;

/** Whether it is a UUID in lower case, as ids in messages are. */
export const isUuid = (value: string): boolean => UUID.test(value);

export function fail(path: string, expected: string): never {
  throw new MalformedRequest(`${path === '' ? 'the message' : path} must be ${expected}`);
}

/** The path of a field in a result. Built only when there is a mistake. */
export function placed(path: string, result: number | undefined): string {
  if (result === undefined) return path;
  return `results[${result}]${path === '' ? '' : `.${path}`}`;
}

/** A received message. Within this process it may be a value, which then has no text that a store refuses. */
export type Payload = string | Uint8Array | JsonMessage;

export function parse(payload: Payload): JsonValue {
  if (payload instanceof JsonMessage) return payload.value as JsonValue;
  const text =
    typeof payload === 'string'
      ? payload
      : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8');
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    throw new MalformedRequest('the message must be JSON');
  }
  // Done here and not only in the store, so that the state in memory equals the log.
  return mayHoldUnstorable(text) ? storableJson(value) : value;
}

export function object(value: JsonValue | undefined, path: string, result?: number): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return fail(placed(path, result), 'an object');
  }
  return value;
}

/** Refuses fields that the message does not have. Otherwise a newer sender's field would be ignored silently. */
export function onlyKnown(value: JsonObject, path: string, known: ReadonlySet<string>, result?: number): void {
  for (const key in value) {
    if (known.has(key)) continue;
    throw new MalformedRequest(`${placed(path === '' ? key : `${path}.${key}`, result)} is not a known field`);
  }
}

export function text(value: JsonValue | undefined, path: string, result?: number): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : fail(placed(path, result), 'a string');
}

export function id(value: JsonValue | undefined, path: string, result?: number): string {
  return typeof value === 'string' && isUuid(value) ? value : fail(placed(path, result), 'a lower-case UUID');
}

export function name(value: JsonValue | undefined, path: string, longest = 200, result?: number): string {
  if (typeof value !== 'string' || value === '' || value.length > longest || /\p{Cc}/u.test(value)) {
    return fail(placed(path, result), `a text of 1 to ${longest} characters without control characters`);
  }
  return value;
}

export function flag(value: JsonValue | undefined, path: string, result?: number): boolean {
  if (value === undefined) return false;
  return typeof value === 'boolean' ? value : fail(placed(path, result), 'true or false');
}

export function int(value: JsonValue | undefined, path: string, result?: number): number {
  if (value === undefined) return 0;
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= LARGEST_INT32
    ? value
    : fail(placed(path, result), 'a whole number from 0');
}

/** Epoch ms; fractions are dropped: the log keeps whole milliseconds. */
export function time(value: JsonValue | undefined, path: string, result?: number): number {
  if (value === undefined) return 0;
  return typeof value === 'number' && value >= 0 && value <= LATEST_TIME_MS
    ? Math.floor(value)
    : fail(placed(path, result), 'epoch milliseconds');
}

export function optional<K extends string, V>(key: K, value: V | '' | 0 | undefined): { [P in K]?: V } {
  return (value === undefined || value === '' || value === 0 ? {} : { [key]: value }) as { [P in K]?: V };
}

export function limit(value: JsonValue | undefined, path: string): number | undefined {
  if (value === undefined || value === 0) return undefined;
  return typeof value === 'number' && value > 0 ? value : fail(path, 'a positive number');
}

export function list(value: JsonValue, path: string, most: number): readonly JsonValue[] {
  if (!Array.isArray(value)) return fail(path, 'a list');
  return value.length > most ? fail(path, `a list of at most ${most}`) : value;
}

/** Refuses a document whose JSON text is longer than `limit` bytes. The message names the limit. */
export function within(value: JsonValue, path: string, limit: number): void {
  if (Buffer.byteLength(JSON.stringify(value)) > limit) fail(path, `at most ${limit} bytes of JSON`);
}

import { FAILURE_CODES, LIMITS, setOwn, storableText } from '@batuta/contracts';
import type { JsonObject, JsonValue } from '@batuta/contracts';

/** The output as JSON, or the reason why it is not valid. */
type CheckedOutput =
  | {
      readonly ok: true;
      /** A copy that shares nothing with the agent's value. */
      readonly value: JsonValue;
      /** Approximate number of characters of its JSON text; never more than the real number. */
      readonly length: number;
    }
  | { readonly ok: false; readonly code: string; readonly message: string };

interface Walk {
  readonly maxBytes: number;
  /** Objects and arrays from the root to the present place, and their keys. Meeting one of them again is a cycle. */
  readonly open: object[];
  readonly path: (string | number)[];
  /** Lower and upper bound of the size of the JSON text so far, in bytes. */
  least: number;
  most: number;
}

/** A value that JSON cannot represent, at the path of the walk. */
class NotJson extends Error {}
class TooLarge extends Error {}

/** Maximum number of bytes of an escaped character and of a number. */
const LONGEST_ESCAPE = 6;
const LONGEST_NUMBER = 25;

/**
 * Converts an agent's output to the value that its JSON text would give: at most `maxBytes` of UTF-8 and 64 levels; no
 * cycles, functions, bigints, symbols or non-finite numbers (which `JSON.stringify` would silently drop or change). An
 * output of `undefined` becomes null. U+0000 and lone surrogates, which PostgreSQL refuses, become U+FFFD. Never
 * throws.
 */
export function checkOutput(output: unknown, maxBytes: number = LIMITS.payloadBytes): CheckedOutput {
  const walk: Walk = { maxBytes, open: [], path: [], least: 0, most: 0 };
  try {
    const value = copyOf(output, '', walk) ?? null;
    // Most outputs are so small that their JSON text need not be written to check the limit.
    if (walk.most > maxBytes && Buffer.byteLength(JSON.stringify(value)) > maxBytes) return tooLarge(maxBytes);
    return { ok: true, value, length: walk.least };
  } catch (error) {
    if (error instanceof TooLarge) return tooLarge(maxBytes);
    if (error instanceof NotJson) return invalid(`${shown(walk.path)} ${error.message}`);
    return invalid(`The output cannot be written as JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function tooLarge(maxBytes: number): CheckedOutput {
  return {
    ok: false,
    code: FAILURE_CODES.outputTooLarge,
    message: `The agent's output is larger than the limit of ${maxBytes} bytes of JSON for one output (payloadBytes). Return a summary or a reference instead.`,
  };
}

function invalid(message: string): CheckedOutput {
  return { ok: false, code: FAILURE_CODES.outputInvalid, message: storableText(message) };
}

function shown(path: readonly (string | number)[]): string {
  return `output${path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('')}`;
}

/** Returns undefined for values that JSON leaves out. */
function copyOf(value: unknown, key: string | number, walk: Walk): JsonValue | undefined {
  switch (typeof value) {
    case 'string':
      add(walk, value.length, value.length * LONGEST_ESCAPE + 2);
      return storableText(value);
    case 'number':
      if (!Number.isFinite(value)) throw new NotJson(`is ${value}, which JSON cannot hold.`);
      add(walk, 1, LONGEST_NUMBER);
      // JSON has no negative zero.
      return value + 0;
    case 'boolean':
      add(walk, 4, 5);
      return value;
    case 'undefined':
      return undefined;
    case 'bigint':
      throw new NotJson('is a bigint, which JSON cannot hold; return it as text or as a number.');
    case 'function':
      throw new NotJson('is a function; an output holds data only.');
    case 'symbol':
      throw new NotJson('is a symbol; an output holds data only.');
    default:
      if (value !== null) return copyOfObject(value as object, key, walk);
      add(walk, 4, 4);
      return null;
  }
}

function copyOfObject(value: object, key: string | number, walk: Walk): JsonValue | undefined {
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON !== 'function') return copyOfOpen(value, key, walk);
  const said: unknown = toJSON.call(value, String(key));
  return typeof said === 'object' && said !== null ? copyOfOpen(said, key, walk) : copyOf(said, key, walk);
}

function copyOfOpen(value: object, key: string | number, walk: Walk): JsonValue | undefined {
  const { open } = walk;
  if (open.includes(value)) throw new NotJson('refers back to an object that contains it; JSON cannot hold a cycle.');
  if (open.length >= LIMITS.jsonDepth) throw new NotJson(`is nested more than ${LIMITS.jsonDepth} levels deep.`);
  if (value instanceof String || value instanceof Number || value instanceof Boolean) {
    return copyOf(value.valueOf(), key, walk);
  }
  if (value instanceof Map || value instanceof Set || value instanceof Promise) {
    throw new NotJson(`is a ${value.constructor.name}, which JSON cannot hold.`);
  }
  open.push(value);
  const copy = Array.isArray(value) ? copyOfItems(value, walk) : copyOfFields(value, walk);
  open.pop();
  return copy;
}

function copyOfItems(items: readonly unknown[], walk: Walk): JsonValue[] {
  const { path } = walk;
  const copy: JsonValue[] = [];
  add(walk, 1, 2);
  for (let index = 0; index < items.length; index++) {
    add(walk, 1, 5);
    path.push(index);
    copy.push(copyOf(items[index], index, walk) ?? null);
    path.pop();
  }
  return copy;
}

function copyOfFields(value: object, walk: Walk): JsonObject {
  const { path } = walk;
  const copy: JsonObject = {};
  add(walk, 2, 2);
  for (const key of Object.keys(value)) {
    path.push(key);
    const field = copyOf((value as Record<string, unknown>)[key], key, walk);
    path.pop();
    if (field === undefined) continue;
    add(walk, key.length + 3, key.length * LONGEST_ESCAPE + 4);
    setOwn(copy, storableText(key), field);
  }
  return copy;
}

function add(walk: Walk, least: number, most: number): void {
  walk.least += least;
  walk.most += most;
  if (walk.least > walk.maxBytes) throw new TooLarge();
}

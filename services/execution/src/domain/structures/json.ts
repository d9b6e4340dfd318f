import type { JsonObject, JsonValue } from '@batuta/contracts';

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The engine of regular expressions passes over a long text several times as fast as the loop. */
const LONG = 128;
const ONE_BYTE_EACH = /^[ !#-[\]-\x7f]*$/;

/**
 * Bytes of a string as a JSON literal in UTF-8, including quotes (lone surrogates as the six characters of an escape).
 */
function stringBytes(text: string): number {
  if (text.length >= LONG && ONE_BYTE_EACH.test(text)) return text.length + 2;
  let bytes = 2;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x20 && code < 0x80) {
      bytes += code === 0x22 || code === 0x5c ? 2 : 1;
    } else if (code < 0x20) {
      bytes += code === 8 || code === 9 || code === 10 || code === 12 || code === 13 ? 2 : 6;
    } else if (code < 0x800) {
      bytes += 2;
    } else if (code < 0xd800 || code > 0xdfff) {
      bytes += 3;
    } else {
      const next = text.charCodeAt(i + 1);
      if (code < 0xdc00 && next >= 0xdc00 && next <= 0xdfff) {
        bytes += 4;
        i++;
      } else {
        bytes += 6;
      }
    }
  }
  return bytes;
}

/** How texts are measured, and the known sizes of containers. */
interface Measure {
  readonly ofText: (text: string) => number;
  // Outputs are immutable and reach many dependents, so an expensive measurement is cached.
  readonly known: WeakMap<object, number>;
}

const WORTH_KEEPING = 2048;
const EXACT: Measure = { ofText: stringBytes, known: new WeakMap() };
/** Uses only the length of texts: an escape is six bytes long, and nothing is longer. */
const AT_MOST: Measure = { ofText: (text) => 2 + 6 * text.length, known: new WeakMap() };

function bytesBy(measure: Measure, value: JsonValue | undefined): number {
  switch (typeof value) {
    case 'string':
      return measure.ofText(value);
    case 'number':
      return String(value).length;
    case 'boolean':
      return value ? 4 : 5;
    case 'object':
      return value === null ? 4 : containerBytes(measure, value);
    default:
      return 0;
  }
}

function containerBytes(measure: Measure, value: JsonObject | JsonValue[]): number {
  const known = measure.known.get(value);
  if (known !== undefined) {
    return known;
  }
  let bytes: number;
  if (Array.isArray(value)) {
    bytes = 2 + Math.max(0, value.length - 1);
    for (const item of value) {
      bytes += bytesBy(measure, item);
    }
  } else {
    const keys = Object.keys(value);
    bytes = 2 + Math.max(0, keys.length - 1);
    for (const key of keys) {
      bytes += measure.ofText(key) + 1 + bytesBy(measure, value[key]);
    }
  }
  if (bytes >= WORTH_KEEPING) {
    measure.known.set(value, bytes);
  }
  return bytes;
}

/** As if nothing were escaped and every character were one byte. */
const LENGTH: Measure = { ofText: (text) => 2 + text.length, known: new WeakMap() };

/**
 * Approximate characters of a value's JSON text, for limits that do not need to be exact. Escapes count as one
 * character.
 */
export const jsonLength = (value: JsonValue | undefined): number => bytesBy(LENGTH, value);

/** Bytes of a value as compact UTF-8 JSON, without making the text. */
export const jsonBytes = (value: JsonValue | undefined): number => bytesBy(EXACT, value);

/**
 * A sum of `jsonBytes` of some values if it is more than `limit`, else undefined. Usually the lengths of texts alone
 * show that it is not, at a fraction of the cost.
 */
export function sumBeyond(limit: number, sum: (bytesOf: typeof jsonBytes) => number): number | undefined {
  if (sum((value) => bytesBy(AT_MOST, value)) <= limit) {
    return undefined;
  }
  const bytes = sum(jsonBytes);
  return bytes > limit ? bytes : undefined;
}

/** Bytes of a value as compact UTF-8 JSON if there are more than `limit`, else undefined. */
export function jsonBytesBeyond(limit: number, value: JsonValue | undefined): number | undefined {
  return sumBeyond(limit, (bytesOf) => bytesOf(value));
}

/** JSON with the keys of every object in code unit order and numbers as JavaScript prints them (RFC 8785). */
export function canonicalJson(value: JsonValue | undefined): string {
  if (value === undefined) {
    return 'null';
  }
  if (Array.isArray(value)) {
    return `[${value.map(canonicalJson).join(',')}]`;
  }
  if (isObject(value)) {
    const fields = Object.keys(value)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`);
    return `{${fields.join(',')}}`;
  }
  return JSON.stringify(value);
}

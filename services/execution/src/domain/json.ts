import type { JsonObject, JsonValue } from '@batuta/contracts';

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Sets an own property also for the key `__proto__`, which plain assignment would hand to the prototype. */
export function setOwn(target: JsonObject, key: string, value: JsonValue): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    target[key] = value;
  }
}

/** Bytes of a string as a JSON literal in UTF-8, quotes included (lone surrogates as the six characters of an escape). */
function stringBytes(text: string): number {
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

// Outputs are immutable and reach many dependents: what is dear to measure is measured once.
const measured = new WeakMap<object, number>();
const WORTH_KEEPING = 2048;

/** Bytes of a value as compact UTF-8 JSON, without making the text. */
export function jsonBytes(value: JsonValue | undefined): number {
  switch (typeof value) {
    case 'string':
      return stringBytes(value);
    case 'number':
      return String(value).length;
    case 'boolean':
      return value ? 4 : 5;
    case 'object':
      return value === null ? 4 : containerBytes(value);
    default:
      return 0;
  }
}

/** At least the bytes of a value as compact UTF-8 JSON, from its lengths alone. */
export function mostJsonBytes(value: JsonValue | undefined): number {
  switch (typeof value) {
    case 'string':
      return mostStringBytes(value);
    case 'number':
      return LONGEST_NUMBER;
    case 'boolean':
      return 5;
    case 'object':
      return value === null ? 4 : mostContainerBytes(value);
    default:
      return 0;
  }
}

/** -1.7976931348623157e+308, with one to spare. */
const LONGEST_NUMBER = 25;

/** An escape is six bytes long. */
const mostStringBytes = (text: string): number => 2 + 6 * text.length;

function mostContainerBytes(value: JsonObject | JsonValue[]): number {
  const known = measured.get(value);
  if (known !== undefined) return known;
  if (Array.isArray(value)) {
    let bytes = 2 + value.length;
    for (const item of value) bytes += mostJsonBytes(item);
    return bytes;
  }
  const keys = Object.keys(value);
  let bytes = 2 + keys.length;
  for (const key of keys) bytes += mostStringBytes(key) + 1 + mostJsonBytes(value[key]);
  return bytes;
}

/**
 * What to hold against a limit: the bytes of a value as compact UTF-8 JSON when they may be more than `limit`; more than they
 * are, but not more than `limit`, when its lengths alone say that it fits, which is most often so and costs a fraction.
 */
export function jsonBytesAgainst(limit: number, value: JsonValue | undefined): number {
  const most = mostJsonBytes(value);
  return most <= limit ? most : jsonBytes(value);
}

function containerBytes(value: JsonObject | JsonValue[]): number {
  const known = measured.get(value);
  if (known !== undefined) {
    return known;
  }
  let bytes: number;
  if (Array.isArray(value)) {
    bytes = 2 + Math.max(0, value.length - 1);
    for (const item of value) {
      bytes += jsonBytes(item);
    }
  } else {
    const keys = Object.keys(value);
    bytes = 2 + Math.max(0, keys.length - 1);
    for (const key of keys) {
      bytes += stringBytes(key) + 1 + jsonBytes(value[key]);
    }
  }
  if (bytes >= WORTH_KEEPING) {
    measured.set(value, bytes);
  }
  return bytes;
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

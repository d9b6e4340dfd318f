import { FAILURE_CODES, LIMITS } from '@batuta/contracts';

/** Either the output as JSON text, or why it is none. */
export type CheckedOutput =
  | { readonly ok: true; readonly json: string }
  | { readonly ok: false; readonly code: string; readonly message: string };

interface Walk {
  /** Objects and arrays between the root and here: meeting one again is a cycle. */
  readonly open: Set<object>;
  /** What is left of the size limit, in UTF-16 units; JSON text is never shorter. */
  budget: number;
}

const TOO_LARGE = Symbol('too large');

/**
 * Turns what an agent returned into JSON text: at most `maxBytes` of UTF-8, no cycles, functions, bigints, symbols or
 * non-finite numbers (which `JSON.stringify` would drop or change without a word), at most 64 levels deep. `undefined` as a
 * whole is null. U+0000 and lone surrogates, which PostgreSQL refuses, become U+FFFD. Never throws.
 */
export function checkOutput(output: unknown, maxBytes: number = LIMITS.payloadBytes): CheckedOutput {
  try {
    const walk: Walk = { open: new Set(), budget: maxBytes };
    const wrong = problemOf(output, 'output', 0, walk);
    if (wrong === TOO_LARGE) return tooLarge(maxBytes);
    if (wrong !== undefined) return invalid(wrong);
    const json = storable(JSON.stringify(output) ?? 'null');
    // A UTF-16 unit is at most three bytes, so short texts need no count.
    if (json.length * 3 > maxBytes && Buffer.byteLength(json) > maxBytes) return tooLarge(maxBytes);
    return { ok: true, json };
  } catch (error) {
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
  return { ok: false, code: FAILURE_CODES.outputInvalid, message };
}

function problemOf(value: unknown, path: string, depth: number, walk: Walk): string | typeof TOO_LARGE | undefined {
  switch (typeof value) {
    case 'string':
      walk.budget -= value.length;
      return walk.budget < 0 ? TOO_LARGE : undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : `${path} is ${value}, which JSON cannot hold.`;
    case 'boolean':
    case 'undefined':
      return undefined;
    case 'bigint':
      return `${path} is a bigint, which JSON cannot hold; return it as text or as a number.`;
    case 'function':
      return `${path} is a function; an output holds data only.`;
    case 'symbol':
      return `${path} is a symbol; an output holds data only.`;
    default:
      return value === null ? undefined : problemOfObject(value as object, path, depth, walk);
  }
}

function problemOfObject(
  value: object,
  path: string,
  depth: number,
  walk: Walk,
): string | typeof TOO_LARGE | undefined {
  if (walk.open.has(value)) return `${path} refers back to an object that contains it; JSON cannot hold a cycle.`;
  if (depth >= LIMITS.jsonDepth) return `${path} is nested more than ${LIMITS.jsonDepth} levels deep.`;
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === 'function') {
    return problemOf(toJSON.call(value, '') as unknown, path, depth + 1, walk);
  }
  if (value instanceof Map || value instanceof Set || value instanceof Promise) {
    return `${path} is a ${value.constructor.name}, which JSON cannot hold.`;
  }
  walk.open.add(value);
  let wrong: string | typeof TOO_LARGE | undefined;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length && wrong === undefined; index++) {
      walk.budget -= 1;
      wrong = walk.budget < 0 ? TOO_LARGE : problemOf(value[index], `${path}[${index}]`, depth + 1, walk);
    }
  } else {
    for (const key of Object.keys(value)) {
      walk.budget -= key.length + 4;
      wrong =
        walk.budget < 0
          ? TOO_LARGE
          : problemOf((value as Record<string, unknown>)[key], `${path}.${key}`, depth + 1, walk);
      if (wrong !== undefined) break;
    }
  }
  walk.open.delete(value);
  return wrong;
}

/** JSON text in which U+0000 and lone surrogates, which `JSON.stringify` writes as escapes, are U+FFFD. */
export function storable(json: string): string {
  if (!json.includes('\\u0000') && !json.includes('\\ud')) return json;
  return json.replace(/\\(?:u0000|ud[89a-f][0-9a-f]{2}|.)/g, (escape) =>
    escape === '\\u0000' || escape.startsWith('\\ud') ? '\ufffd' : escape,
  );
}

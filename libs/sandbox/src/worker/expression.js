import jsonata from 'jsonata';
import { referencesOf } from './references.js';
import { LinearRegExp } from './regexp.js';

/**
 * @typedef {{ kind: 'parse', expressions: string[] }} ParseJob
 * @typedef {{ kind: 'evaluate', expression: string, context: string, resultBytes: number }} EvaluateJob
 * @typedef {{ code: string, message: string, position?: number, token?: string }} Failure
 */

const MAX_EXPRESSION_LENGTH = 32 * 1024;
const MAX_PADDING = 256 * 1024;
const MAX_SEQUENCE = 1_000_000;
const MAX_CALL_DEPTH = 4_000;
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

class ExpressionError extends Error {}

// Should an expression ever get hold of a native function, it must not reach the compiler, nor leave something on a
// prototype for the expression after it.
for (const made of [function () {}, async function () {}, function* () {}, async function* () {}]) {
  Object.defineProperty(Object.getPrototypeOf(made), 'constructor', { value: undefined });
}
for (const type of [Object, Array, Function, String, Number, Boolean, RegExp, Promise, Date, Error, Map, Set]) {
  void Object.preventExtensions(type.prototype);
}

const WITHOUT_ZONE = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?$/;
const parseDate = Date.parse;
// $toMillis: a time that names no zone is UTC, whatever the zone of the host.
Date.parse = (text) => parseDate(WITHOUT_ZONE.test(text) ? `${text}Z` : text);

const BASE64 = /^[A-Za-z0-9+/\s]*={0,2}\s*$/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// JSONata takes one byte a character, which only fits the first 256 of them.
/** @param {string | undefined} text */
function base64encode(text) {
  return text === undefined ? undefined : Buffer.from(text, 'utf8').toString('base64');
}

/** @param {string | undefined} text */
function base64decode(text) {
  if (text === undefined) return undefined;
  if (!BASE64.test(text)) throw new ExpressionError('$base64decode was given what is no base64');
  try {
    return utf8.decode(Buffer.from(text, 'base64'));
  } catch {
    throw new ExpressionError('$base64decode was given base64 of what is no UTF-8 text');
  }
}

/** What a division gives: no user can write this name. */
const QUOTIENT = '/';

/** @param {unknown} value */
function quotient(value) {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw Object.assign(new ExpressionError('division by zero, or a result beyond the largest number'), { token: '/' });
  }
  return value;
}

/**
 * Has every division checked where it is made: a comparison with an infinite number would give an answer.
 * @param {any} node
 * @param {Set<object>} [seen]
 */
function checkDivisions(node, seen = new Set()) {
  if (node === null || typeof node !== 'object' || seen.has(node)) return;
  seen.add(node);
  for (const key of Object.keys(node)) checkDivisions(node[key], seen);
  if (node.type !== 'binary' || (node.value !== '/' && node.value !== '%')) return;
  const { position } = node;
  const division = { ...node };
  for (const key of Object.keys(node)) delete node[key];
  const procedure = { type: 'variable', value: QUOTIENT, position };
  Object.assign(node, { type: 'function', value: '(', position, procedure, arguments: [division] });
}

/** @param {string} text */
function compile(text) {
  if (text.length > MAX_EXPRESSION_LENGTH) {
    throw new ExpressionError(`an expression may have at most ${MAX_EXPRESSION_LENGTH} characters`);
  }
  // The type declarations lag behind the options.
  const settings = /** @type {import('jsonata').JsonataOptions} */ (
    /** @type {unknown} */ ({ RegexEngine: LinearRegExp, stack: MAX_CALL_DEPTH, sequence: MAX_SEQUENCE })
  );
  const expression = jsonata(text, settings);
  expression.registerFunction(QUOTIENT, quotient);
  expression.registerFunction('base64encode', base64encode, '<s-:s>');
  expression.registerFunction('base64decode', base64decode, '<s-:s>');
  expression.registerFunction(
    'pad',
    (/** @type {string | undefined} */ value, /** @type {number} */ width, /** @type {string | undefined} */ fill) => {
      if (value === undefined) return undefined;
      if (Math.abs(width) > MAX_PADDING) {
        throw new ExpressionError(`$pad makes at most ${MAX_PADDING} characters`);
      }
      const characters = Array.from(value);
      const missing = Math.abs(Math.trunc(width)) - characters.length;
      if (missing <= 0) return value;
      const filling = Array.from(fill === undefined || fill === '' ? ' ' : fill);
      const padding = Array.from({ length: missing }, (_, index) => filling[index % filling.length]).join('');
      return width > 0 ? value + padding : padding + value;
    },
    '<s-ns?:s>',
  );
  return expression;
}

/** @param {unknown} error @param {string} fallback @returns {Failure} */
function failureOf(error, fallback) {
  if (error instanceof RangeError && /call stack/i.test(error.message)) {
    return { code: fallback, message: 'the expression is nested or recurses too deeply' };
  }
  const { message, position, token } = /** @type {{ message?: unknown, position?: unknown, token?: unknown }} */ (
    error ?? {}
  );
  return {
    code: fallback,
    message: String(message ?? error).slice(0, 1000),
    ...(typeof position === 'number' ? { position } : {}),
    ...(typeof token === 'string' ? { token: token.slice(0, 100) } : {}),
  };
}

const MAX_KNOWN_VARIABLES = 10_000;
/** @type {Map<string, boolean>} variables that an expression has from JSONata, its functions, and those that it has not */
const known = new Map();

/** Whether JSONata itself gives a variable a value. @param {string} name */
async function isKnown(name) {
  let found = known.get(name);
  if (found === undefined) {
    try {
      found = (await compile(`$${name}`).evaluate(null)) !== undefined;
    } catch {
      found = false;
    }
    if (known.size >= MAX_KNOWN_VARIABLES) known.clear();
    known.set(name, found);
  }
  return found;
}

/** @param {ParseJob} job */
async function parse({ expressions }) {
  const readings = [];
  for (const text of expressions) {
    try {
      // The type declarations tell of a few kinds of nodes only.
      const { paths, variables } = referencesOf(/** @type {any} */ (compile(text).ast()));
      const unknown = [];
      for (const name of variables) if (name !== QUOTIENT && !(await isKnown(name))) unknown.push(name);
      readings.push({ paths, unknown });
    } catch (error) {
      readings.push({ failure: failureOf(error, 'syntax_error') });
    }
  }
  return { readings };
}

/** @param {unknown} value */
function jsonOf(value) {
  return JSON.stringify(value, (key, item) => {
    if (FORBIDDEN_KEYS.has(key)) throw new ExpressionError(`the result has a key that is not allowed: ${key}`);
    if (typeof item === 'number' && !Number.isFinite(item)) {
      throw new ExpressionError(`the result is or holds ${item}, which is no JSON number`);
    }
    if (typeof item === 'function' || item?._jsonata_lambda === true || item?._jsonata_function === true) {
      throw new ExpressionError('the result is or holds a function');
    }
    return item;
  });
}

/** @param {EvaluateJob} job */
async function evaluate({ expression, context, resultBytes }) {
  let compiled;
  try {
    compiled = compile(expression);
    // The tree is the very one that is evaluated; what only reads it sees it as it was written.
    checkDivisions(compiled.ast());
  } catch (error) {
    return { failure: failureOf(error, 'syntax_error') };
  }
  try {
    const text = jsonOf(await compiled.evaluate(JSON.parse(context)));
    if (text === undefined) return { empty: true };
    const bytes = Buffer.byteLength(text);
    if (bytes > resultBytes) {
      return {
        failure: { code: 'result_too_large', message: `the result has ${bytes} bytes; ${resultBytes} are allowed` },
      };
    }
    return { text };
  } catch (error) {
    return { failure: failureOf(error, 'evaluation_error') };
  }
}

/** @param {ParseJob | EvaluateJob} job */
export function handle(job) {
  switch (job.kind) {
    case 'parse':
      return parse(job);
    default:
      return evaluate(job);
  }
}

// What is slow the first time must not count against the first user's time limit.
await handle({
  kind: 'evaluate',
  expression: '$sum(items[price > 1].(price * 2)) & $replace("ab", /a+/, "c")',
  context: '{"items":[{"price":1},{"price":2},{"price":3}]}',
  resultBytes: 1000,
});

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

// Defence in depth: an expression that obtains a native function must not reach the `Function` constructor, which
// compiles code, and must not leave a property on a prototype for the next expression.
for (const made of [function () {}, async function () {}, function* () {}, async function* () {}]) {
  Object.defineProperty(Object.getPrototypeOf(made), 'constructor', { value: undefined });
}
for (const type of [Object, Array, Function, String, Number, Boolean, RegExp, Promise, Date, Error, Map, Set]) {
  void Object.preventExtensions(type.prototype);
}

const WITHOUT_ZONE = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?$/;
const parseDate = Date.parse;
// `$toMillis` calls this function: a time without a zone is in UTC, whatever the zone of the host is.
Date.parse = (text) => parseDate(WITHOUT_ZONE.test(text) ? `${text}Z` : text);

const BASE64 = /^[A-Za-z0-9+/\s]*={0,2}\s*$/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// JSONata's own function writes one byte for each character, which is only right for the first 256 characters of
// Unicode.
/** @param {string | undefined} text */
function base64encode(text) {
  return text === undefined ? undefined : Buffer.from(text, 'utf8').toString('base64');
}

/** @param {string | undefined} text */
function base64decode(text) {
  if (text === undefined) return undefined;
  if (!BASE64.test(text)) throw new ExpressionError('$base64decode was given a text that is not base64');
  try {
    return utf8.decode(Buffer.from(text, 'base64'));
  } catch {
    throw new ExpressionError('$base64decode was given base64 of bytes that are not UTF-8 text');
  }
}

/** The name of the function that checks the result of a division. No user can write a variable with this name. */
const QUOTIENT = '/';

/** @param {unknown} value */
function quotient(value) {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw Object.assign(new ExpressionError('division by zero, or a result beyond the largest number'), { token: '/' });
  }
  return value;
}

/**
 * Makes every division check its own result. Without this check, a comparison with an infinite number would give an
 * answer instead of a mistake.
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
/** @type {Map<string, boolean>} whether JSONata itself defines a variable, by its name */
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
      // The type declarations name only a few kinds of nodes.
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
      throw new ExpressionError(`the result is or holds ${item}, which is not a JSON number`);
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
    // This is the same tree that is evaluated. Other readers of the tree parse the expression again and see it as it
    // was written.
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

// The first evaluation is slow, because code is loaded and compiled. That time must not count against the limit of the
// first user.
await handle({
  kind: 'evaluate',
  expression: '$sum(items[price > 1].(price * 2)) & $replace("ab", /a+/, "c")',
  context: '{"items":[{"price":1},{"price":2},{"price":3}]}',
  resultBytes: 1000,
});

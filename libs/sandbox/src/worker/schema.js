import { createHash } from 'node:crypto';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { str } from 'ajv';
import ajvFormats from 'ajv-formats';
import { isMultipleOf } from './multiple-of.js';
import { linearPattern } from './regexp.js';

/**
 * @typedef {{ path: string, message: string, code: string }} Violation
 * @typedef {{ kind: 'check', schema: string } | { kind: 'validate', schema: string, value: string, maxViolations: number }} Job
 * @typedef {import('ajv').ValidateFunction} ValidateFunction
 * @typedef {import('ajv').ErrorObject} ErrorObject
 */

const DRAFT = 'https://json-schema.org/draft/2020-12/schema';
const CACHED_VALIDATORS = 64;

/** @type {import('ajv').Options} */
const options = {
  allErrors: true,
  strict: false,
  logger: false,
  validateFormats: true,
  ownProperties: true,
  code: { regExp: linearPattern },
};
const addFormats = /** @type {(ajv: Ajv2020) => void} */ (/** @type {unknown} */ (ajvFormats));

// This instance checks schemas against the draft itself. It is compiled once.
const draft = new Ajv2020(options);
addFormats(draft);
void draft.validateSchema({ $schema: DRAFT });

/** Ajv divides binary fractions, so 8.69 would not be a multiple of 0.01. @type {import('ajv').KeywordDefinition} */
const multipleOf = {
  keyword: 'multipleOf',
  type: 'number',
  schemaType: 'number',
  compile: (/** @type {number} */ divisor) => (/** @type {number} */ value) => isMultipleOf(value, divisor),
  error: { message: ({ schema }) => str`must be multiple of ${schema}` },
};

/** @type {Map<string, ValidateFunction>} least recently used first */
const validators = new Map();

/** @param {string} token */
const escapeToken = (token) => token.replaceAll('~', '~0').replaceAll('/', '~1');

/** @param {ErrorObject} error @returns {Violation} */
function violationOf(error) {
  const { keyword, instancePath, params } = error;
  switch (keyword) {
    case 'required':
      return {
        path: `${instancePath}/${escapeToken(String(params['missingProperty']))}`,
        message: `${String(params['missingProperty'])} is required`,
        code: keyword,
      };
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const name = String(params['additionalProperty'] ?? params['unevaluatedProperty']);
      return {
        path: `${instancePath}/${escapeToken(name)}`,
        message: `${name} is not a known property`,
        code: keyword,
      };
    }
    case 'enum':
      return {
        path: instancePath,
        message: `must be one of ${JSON.stringify(params['allowedValues']).slice(0, 500)}`,
        code: keyword,
      };
    case 'const':
      return {
        path: instancePath,
        message: `must be ${JSON.stringify(params['allowedValue']).slice(0, 500)}`,
        code: keyword,
      };
    default:
      return { path: instancePath, message: error.message ?? `does not fit "${keyword}"`, code: keyword };
  }
}

/** @param {unknown} error @returns {Violation} */
function schemaViolation(error) {
  const message = error instanceof Error ? error.message : String(error);
  return { path: '', message: `not a JSON Schema that can be used: ${message}`.slice(0, 1000), code: 'invalid_schema' };
}

/**
 * @param {string} text
 * @returns {{ validate: ValidateFunction } | { violations: Violation[] }}
 */
function compiled(text) {
  const key = createHash('sha256').update(text).digest('base64');
  const cached = validators.get(key);
  if (cached !== undefined) {
    validators.delete(key);
    validators.set(key, cached);
    return { validate: cached };
  }
  const schema = JSON.parse(text);
  if (typeof schema !== 'boolean' && (typeof schema !== 'object' || schema === null || Array.isArray(schema))) {
    return { violations: [{ path: '', message: 'a JSON Schema is an object or a boolean', code: 'invalid_schema' }] };
  }
  if (
    typeof schema === 'object' &&
    schema.$schema !== undefined &&
    String(schema.$schema).replace(/#$/, '') !== DRAFT
  ) {
    return { violations: [{ path: '/$schema', message: `only ${DRAFT} is supported`, code: 'invalid_schema' }] };
  }
  try {
    if (typeof schema === 'object' && draft.validate(DRAFT, schema) !== true) {
      return {
        violations: (draft.errors ?? [])
          .slice(0, 100)
          .map((error) => ({ ...violationOf(error), code: 'invalid_schema' })),
      };
    }
    // Each schema has its own instance, because the `$id`s of one user's schema must not be known to the schema of
    // another user.
    const ajv = new Ajv2020({ ...options, meta: false, validateSchema: false });
    addFormats(ajv);
    ajv.removeKeyword('multipleOf').addKeyword(multipleOf);
    const validate = ajv.compile(schema);
    if (/** @type {{ $async?: unknown }} */ (validate).$async === true) {
      return {
        violations: [{ path: '/$async', message: '$async is not part of JSON Schema', code: 'invalid_schema' }],
      };
    }
    validators.set(key, validate);
    const oldest = validators.size > CACHED_VALIDATORS ? validators.keys().next().value : undefined;
    if (oldest !== undefined) validators.delete(oldest);
    return { validate };
  } catch (error) {
    return { violations: [schemaViolation(error)] };
  }
}

/** @param {Job} job */
export function handle(job) {
  const found = compiled(job.schema);
  if ('violations' in found) return { schemaViolations: found.violations };
  if (job.kind === 'check') return { schemaViolations: [] };
  try {
    if (found.validate(JSON.parse(job.value)) === true) return { violations: [], total: 0 };
  } catch (error) {
    // A schema that refers to itself endlessly overflows the stack.
    return { schemaViolations: [schemaViolation(error)] };
  }
  const errors = found.validate.errors ?? [];
  found.validate.errors = null;
  return { violations: errors.slice(0, job.maxViolations).map(violationOf), total: errors.length };
}

// The first validation is slow, because code is loaded and compiled. That time must not count against the limit of the
// first user.
handle({
  kind: 'validate',
  schema: '{"type":"object","properties":{"a":{"type":"string","pattern":"a+"}},"required":["a"]}',
  value: '{"a":"a"}',
  maxViolations: 1,
});

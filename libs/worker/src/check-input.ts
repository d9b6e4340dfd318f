import { FAILURE_CODES } from '@batuta/contracts';
import type { JsonValue } from '@batuta/contracts';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import { TerminalError } from './agent.js';
import type { JsonSchema } from './json-schema.js';

// Verbose, so that an error includes the violated schema.
const ajv = new Ajv2020({ strict: false, verbose: true, validateFormats: false, logger: false });

/**
 * Returns a check of inputs against a schema. The check returns the input without fields that are null where the schema
 * does not allow null; such fields count as absent. A missing input counts as an object without fields.
 * @throws TerminalError with the code `input_invalid` and the name of the field for an invalid input, because another
 * attempt would get the same input.
 */
export function inputCheck(schema: JsonSchema): (input: JsonValue) => JsonValue {
  let validate: ValidateFunction | undefined;
  return (input) => {
    // Compiled when first needed: a program may know many agents and run few of them.
    validate ??= ajv.compile(schema);
    const given = withoutNulls(input ?? (isOfObject(schema) ? {} : null), schema);
    if (validate(given)) return given;
    // When there are several errors, the last one summarises the others.
    const mistake = validate.errors?.at(-1);
    throw mistake === undefined ? invalidInput('', 'does not fit the schema of the agent') : errorOf(mistake);
  };
}

/** The error for an invalid field of the input; `''` means the input itself. */
export function invalidInput(field: string, expectation: string): TerminalError {
  const [parameter = ''] = field.split(/[.[]/, 1);
  const subject = field === '' ? 'The input' : `The input's "${field}"`;
  return new TerminalError(
    FAILURE_CODES.inputInvalid,
    `${subject} ${expectation}.`,
    field === '' ? {} : { details: { parameter } },
  );
}

function errorOf(error: ErrorObject): TerminalError {
  const path = error.instancePath.split('/').slice(1).map(unescaped);
  if (error.keyword === 'required') path.push(String(error.params['missingProperty']));
  if (error.keyword === 'additionalProperties') path.push(String(error.params['additionalProperty']));
  const [first = '', ...rest] = path;
  const field = rest.reduce((name, token) => name + (/^\d+$/.test(token) ? `[${token}]` : `.${token}`), first);
  return invalidInput(field, expectationOf(error));
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'must be a text',
  boolean: 'must be true or false',
  object: 'must be an object',
  array: 'must be a list',
  null: 'must be null',
};

function expectationOf({ keyword, params, parentSchema = {}, message = 'does not fit' }: ErrorObject): string {
  switch (keyword) {
    case 'required':
      return 'is missing';
    case 'additionalProperties':
      return 'is nothing that this agent knows';
    case 'type': {
      const [type = ''] = [params['type'] as string | string[]].flat();
      return TYPES[type] ?? `must be ${numberOf(type, parentSchema as Bounds)}`;
    }
    case 'minimum':
    case 'maximum':
      return `must be ${numberOf(String(parentSchema['type']), parentSchema as Bounds)}`;
    case 'maxLength':
      return `must have at most ${params['limit']} characters`;
    case 'minLength':
      return `must have at least ${params['limit']} characters`;
    case 'maxItems':
      return `may hold at most ${params['limit']}`;
    case 'minItems':
      return `must hold at least ${params['limit']}`;
    case 'enum':
      return `must be one of ${(params['allowedValues'] as unknown[]).map(String).join(', ')}`;
    default:
      return message;
  }
}

interface Bounds {
  readonly minimum?: number;
  readonly maximum?: number;
}

function numberOf(type: string, { minimum, maximum }: Bounds): string {
  const kind = type === 'integer' ? 'a whole number' : 'a number';
  if (minimum !== undefined && maximum !== undefined) return `${kind} from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return `${kind} of at least ${minimum}`;
  return maximum === undefined ? kind : `${kind} of at most ${maximum}`;
}

const unescaped = (token: string): string => token.replaceAll('~1', '/').replaceAll('~0', '~');

const isSchema = (value: unknown): value is JsonSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isOfObject = ({ type, properties }: JsonSchema): boolean =>
  type === undefined ? properties !== undefined : [type].flat().includes('object');

function allowsNull(schema: unknown): boolean {
  if (!isSchema(schema)) return true;
  const { type, const: only, enum: values } = schema;
  if (type !== undefined) return [type].flat().includes('null');
  return only === null || (Array.isArray(values) && values.includes(null));
}

/** Shares those parts with the input that have no such null. */
function withoutNulls(value: JsonValue, schema: JsonSchema): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  const { properties, items } = schema;
  if (Array.isArray(value)) {
    return isSchema(items) && isSchema(items['properties']) ? value.map((item) => withoutNulls(item, items)) : value;
  }
  if (!isSchema(properties)) return value;
  let copy = value;
  for (const [name, field] of Object.entries(properties)) {
    if (!Object.hasOwn(value, name)) continue;
    const given = value[name] as JsonValue;
    const isAbsent = given === null && !allowsNull(field);
    const kept = isAbsent || !isSchema(field) ? given : withoutNulls(given, field);
    if (!isAbsent && kept === given) continue;
    if (copy === value) copy = { ...value };
    if (isAbsent) delete copy[name];
    else copy[name] = kept;
  }
  return copy;
}

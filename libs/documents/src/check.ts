import { characters, HINT, ifThen, RULE, unknownField } from '@batuta/contracts';
import type { DocumentSchema, ValueMistake, ValueRule } from '@batuta/contracts';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ErrorObject, FuncKeywordDefinition, ValidateFunction } from 'ajv/dist/2020.js';
import type { DataValidateFunction } from 'ajv/dist/types/index.js';
import { FORBIDDEN_KEYS } from './guard.js';
import { MAX_VIOLATIONS } from './report.js';
import type { Report } from './report.js';
import { unstorable } from './text.js';

/** Checks values against one JSON Schema and reports every mistake in plain words. */
export interface DocumentCheck {
  /** `path` is the JSON Pointer of the value itself. */
  (value: unknown, path: string, report: Report): void;
  /**
   * The value without null fields, which mean the same as absent ones. Only fields that the schema names are removed,
   * because nulls in free JSON belong to the user. Copies only the parts that change.
   */
  withoutNulls(value: unknown): unknown;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * A check of documents against one of the platform's own schemas, which is compiled at the first use. Schemas of users
 * run in the sandbox instead.
 */
export function documentCheck(schema: DocumentSchema): DocumentCheck {
  let validate: ValidateFunction | undefined;
  const clear = nullsRemover(schema, schema);
  const check = ((value, path, report) => {
    validate ??= compile(schema);
    const given = clear?.(value) ?? value;
    if (!validate(given)) reportErrors(validate.errors ?? [], given, path, report);
  }) as DocumentCheck;
  check.withoutNulls = (value) => clear?.(value) ?? value;
  return check;
}

/** The keyword that runs a schema's `RULE`. */
const rule: FuncKeywordDefinition = {
  keyword: 'rule',
  compile: (asked: ValueRule, { type }) => {
    const run: DataValidateFunction = (value: unknown) => {
      // Another keyword reports a wrong type.
      if (type === 'object' ? !isRecord(value) : type === 'string' && typeof value !== 'string') return true;
      const found = asked(value);
      const mistakes = found === undefined ? [] : [found].flat();
      run.errors = mistakes.map((mistake) => ({ keyword: 'rule', params: { mistake } }));
      return mistakes.length === 0;
    };
    return run;
  },
  errors: 'full',
};

function compile(schema: DocumentSchema): ValidateFunction {
  // Verbose, so that an error contains the schema that it violates.
  const ajv = new Ajv2020({ strict: false, allErrors: true, verbose: true, validateFormats: false, logger: false });
  ajv.addKeyword(rule);
  return ajv.compile(checkedForm(schema) as Record<string, unknown>);
}

/** Keywords that a rule in code replaces. */
const APPROXIMATE = ['pattern', 'not', 'anyOf', 'oneOf', 'propertyNames'];

/** The schema for Ajv: with the rules in code, and without checking the entries of a list that is too long. */
function checkedForm(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(checkedForm);
  if (!isRecord(schema)) return schema;
  const asked = (schema as DocumentSchema)[RULE];
  const entries = Object.entries(schema)
    .filter(([keyword]) => asked === undefined || !APPROXIMATE.includes(keyword))
    .map(([keyword, value]): [string, unknown] => [keyword, keyword === 'default' ? value : checkedForm(value)]);
  const form: Record<string, unknown> = { ...Object.fromEntries(entries), [HINT]: (schema as DocumentSchema)[HINT] };
  if (asked !== undefined) form['rule'] = asked;
  const { maxItems, items, maxProperties, additionalProperties, ...rest } = form;
  if (maxItems !== undefined) return { ...rest, maxItems, ...ifThen({ maxItems }, { items }) };
  if (maxProperties === undefined) return form;
  return { ...rest, maxProperties, ...ifThen({ maxProperties }, { additionalProperties }) };
}

type Change = (value: unknown) => unknown;

/**
 * Removes the null fields of a schema from a value. Undefined for a schema without fields. `known`: those of definitions,
 * because a definition may contain itself.
 */
function nullsRemover(
  schema: DocumentSchema,
  root: DocumentSchema,
  known = new Map<string, Change | undefined>(),
): Change | undefined {
  const { $ref: reference, properties, items } = schema;
  if (typeof reference === 'string') {
    if (known.has(reference)) return (value) => known.get(reference)?.(value) ?? value;
    known.set(reference, undefined);
    const definitions = root['$defs'] as Readonly<Record<string, DocumentSchema>>;
    const clear = nullsRemover(definitions[reference.slice('#/$defs/'.length)] ?? {}, root, known);
    known.set(reference, clear);
    return clear;
  }
  if (isRecord(items)) {
    const clear = nullsRemover(items, root, known);
    return clear && ((value) => (Array.isArray(value) ? value.map(clear) : value));
  }
  if (!isRecord(properties)) return undefined;
  const fields = new Map(
    Object.entries(properties).map(([name, field]) => [name, nullsRemover(field as DocumentSchema, root, known)]),
  );
  return (value) => {
    if (!isRecord(value)) return value;
    return Object.fromEntries(
      Object.entries(value).flatMap(([name, entry]) => {
        if (!fields.has(name)) return [[name, entry]];
        return entry === null ? [] : [[name, fields.get(name)?.(entry) ?? entry]];
      }),
    );
  };
}

/** When one value has several mistakes, only the first of this list is reported, because the others follow from it. */
const ORDER = ['type', 'minLength', 'maxLength', 'minimum', 'exclusiveMinimum', 'maximum', 'enum', 'rule'];

interface Found extends ValueMistake {
  readonly path: string;
  /** Whether it concerns all fields of the object at that path together. */
  readonly isOfAll?: boolean;
}

function reportErrors(errors: readonly ErrorObject[], document: unknown, path: string, report: Report): void {
  const first = new Map<string, number>();
  for (const { keyword, instancePath } of errors) {
    const rank = ORDER.indexOf(keyword);
    if (rank >= 0 && rank < (first.get(instancePath) ?? Infinity)) first.set(instancePath, rank);
  }
  const told = errors.filter(({ keyword, instancePath, data }) => {
    if (keyword === 'if') return false;
    const rank = ORDER.indexOf(keyword);
    // Rules of an object do not concern its fields, and all of them count.
    return rank < 0 || first.get(instancePath) === rank || (keyword === 'rule' && isRecord(data));
  });
  const kept = told.slice(0, MAX_VIOLATIONS).flatMap((error) => mistakeOf(error, report));
  const placeOf = placesIn(document);
  const placed = kept.map((found) => ({ found, place: placeOf(found.path, found.isOfAll) }));
  // A stable sort, so that mistakes at one place keep their order.
  for (const { found } of placed.toSorted((a, b) => compare(a.place, b.place))) {
    report.add(`${path}${found.path}`, found.code, found.message);
  }
  report.count(told.length - Math.min(told.length, MAX_VIOLATIONS));
}

function mistakeOf(error: ErrorObject, report: Report): Found[] {
  const { keyword, instancePath: path, params, data, parentSchema = {} } = error;
  const one = (code: string, message: string, at = path): Found[] => [{ path: at, code, message }];
  switch (keyword) {
    case 'required': {
      const name = String(params['missingProperty']);
      const fields = parentSchema['properties'] as Readonly<Record<string, DocumentSchema>> | undefined;
      return one('required', `${name} is required${hinted(fields?.[name])}`, `${path}/${name}`);
    }
    case 'additionalProperties': {
      const name = String(params['additionalProperty']);
      const known = Object.keys(parentSchema['properties'] as object);
      const missing = known.filter((field) => !Object.hasOwn(data as object, field));
      // `$schema` is for editors, so it is not a suggestion for a misspelt field.
      const others = known.filter((field) => field !== '$schema');
      return [unknownField(path, name, report.suggestions.for(name, missing) || others)];
    }
    case 'type':
      return one('wrong_type', wrongType(parentSchema, data));
    case 'enum': {
      const values = parentSchema['enum'] as readonly string[];
      const hint = report.suggestions.for(String(data), values);
      return one('not_allowed', `must be one of ${values.join(', ')}${hint}`);
    }
    case 'minLength': {
      const least = Number(params['limit']);
      return one('too_short', least === 1 ? 'must not be empty' : `must have at least ${least} characters`);
    }
    case 'maxLength':
      return one('too_long', `has ${characters(data as string)} characters; at most ${params['limit']} are allowed`);
    case 'minItems': {
      const least = Number(params['limit']);
      const entries = least === 1 ? 'entry' : 'entries';
      return one('too_few', `must have at least ${least} ${entries}${hinted(parentSchema as DocumentSchema)}`);
    }
    case 'maxItems':
      return one('too_many', `has ${(data as unknown[]).length} entries; at most ${params['limit']} are allowed`);
    case 'maxProperties': {
      const count = Object.keys(data as object).length;
      return one('too_many', `has ${count} entries; at most ${params['limit']} are allowed`);
    }
    case 'minimum':
    case 'maximum':
    case 'exclusiveMinimum': {
      const { minimum, exclusiveMinimum, maximum } = parentSchema as Record<string, number>;
      const { [HINT]: hint } = parentSchema as DocumentSchema;
      return data === exclusiveMinimum
        ? one('out_of_range', `must be above ${exclusiveMinimum}; ${hint}`)
        : one('out_of_range', `must be from ${minimum ?? exclusiveMinimum} to ${maximum}`);
    }
    case 'rule': {
      const mistake = params['mistake'] as ValueMistake;
      const { path: below = '', code, message } = mistake;
      const key = below.slice(below.lastIndexOf('/') + 1);
      // `guardJson` checks every text and key for content that cannot be stored.
      const subject = below === '' ? data : key;
      if (code === 'invalid_character' && unstorable(String(subject)) !== undefined) return [];
      if (below !== '' && FORBIDDEN_KEYS.has(key)) return [];
      return [{ path: `${path}${below}`, code, message, isOfAll: isRecord(data) && !Object.hasOwn(data, key) }];
    }
    default:
      throw new TypeError(`no words for the keyword ${keyword} of a schema`);
  }
}

const hinted = (schema: DocumentSchema | undefined): string =>
  schema?.[HINT] === undefined ? '' : `; ${schema[HINT]}`;

const TYPES: Readonly<Record<string, string>> = {
  string: 'a text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function wrongType({ type, enum: values }: DocumentSchema, data: unknown): string {
  if (type === 'integer' && typeof data === 'number') return 'must be a whole number';
  const types = [type].flat().map((each) => TYPES[String(each)]);
  const expected = Array.isArray(values) ? `one of ${values.join(', ')}` : types.join(' or ');
  return `must be ${expected}, not ${kindOf(data)}`;
}

/**
 * The position of a JSON Pointer in a document, as the indexes of the entries on the way to it. A missing field sorts
 * before everything in its object, and a mistake of a whole object after everything in it.
 */
function placesIn(document: unknown): (path: string, isOfAll?: boolean) => readonly number[] {
  const numbers = new Map<object, ReadonlyMap<string, number>>();
  return (path, isOfAll = false) => {
    const place: number[] = [];
    let value = document;
    for (const token of path.split('/').slice(1)) {
      const key = token.replaceAll('~1', '/').replaceAll('~0', '~');
      if (Array.isArray(value)) {
        place.push(Number(key));
        value = (value as unknown[])[Number(key)];
      } else if (isRecord(value)) {
        let known = numbers.get(value);
        if (known === undefined) {
          known = new Map(Object.keys(value).map((name, index) => [name, index]));
          numbers.set(value, known);
        }
        place.push(known.get(key) ?? (isOfAll ? Infinity : -1));
        value = known.has(key) ? value[key] : undefined;
      } else {
        place.push(-1);
      }
    }
    if (isOfAll && place.at(-1) !== Infinity) place.push(Infinity);
    return place;
  };
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < Math.min(a.length, b.length); index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

import { expressionIn, isLiquid, secretPointers, setOwn, templateField } from '@batuta/contracts';
import type { JsonObject, JsonValue } from '@batuta/contracts';
import { isObject } from '../structures/json.js';

/** One user expression: a plain path that is read directly, or JSONata for the sandbox. */
export interface Expression {
  readonly source: string;
  /** Field names from the root, if the expression is only a path. */
  readonly path: readonly string[] | undefined;
}

/** A mapping with its expressions, in the order of the document. */
export interface Template {
  readonly document: JsonValue;
  readonly expressions: readonly Expression[];
  /** The field that its agent renders itself, as Liquid. Undefined for none. */
  readonly liquid: string | undefined;
  /** JSON Pointers of its texts that refer to secrets. */
  readonly secrets: readonly string[];
}

const PLAIN_PATH = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/;
// Words that JSONata reads as operators or values in place of a name.
const RESERVED = new Set(['and', 'or', 'in', 'true', 'false', 'null', 'function']);

/** Parses an expression of `when`, `vote_key` or `score`, with or without the delimiters `{% %}`. */
export function parseExpression(text: string): Expression {
  const source = expressionIn(text) ?? text.trim();
  const names = source.split('.');
  const plain = PLAIN_PATH.test(source) && !names.some((name) => RESERVED.has(name));
  return { source, path: plain ? names : undefined };
}

/**
 * Parses a mapping: any JSON in which strings of the form `{% … %}` are expressions. `agent` is the agent that gets the
 * result.
 */
export function parseTemplate(document: JsonValue, agent?: string): Template {
  const expressions: Expression[] = [];
  const field = templateField(agent);
  const text = field !== undefined && isObject(document) ? document[field] : undefined;
  const liquid = typeof text === 'string' && isLiquid(text) ? field : undefined;
  if (liquid !== undefined && isObject(document)) {
    for (const key of Object.keys(document)) {
      if (key !== liquid) {
        collect(document[key] as JsonValue, expressions);
      }
    }
  } else {
    collect(document, expressions);
  }
  return { document, expressions, liquid, secrets: secretPointers(document, liquid) };
}

function collect(value: JsonValue, expressions: Expression[]): void {
  if (typeof value === 'string') {
    if (expressionIn(value) !== undefined) {
      expressions.push(parseExpression(value));
    }
  } else if (Array.isArray(value)) {
    for (const item of value) {
      collect(item, expressions);
    }
  } else if (isObject(value)) {
    for (const key of Object.keys(value)) {
      collect(value[key] as JsonValue, expressions);
    }
  }
}

/** The mapping with each expression replaced by its value, in the order of `expressions`. A missing value is null. */
export function fillTemplate(template: Template, values: readonly (JsonValue | undefined)[]): JsonValue {
  const rest = values[Symbol.iterator]();
  const next = (): JsonValue => rest.next().value ?? null;
  const { document, liquid } = template;
  if (liquid === undefined || !isObject(document)) {
    return fill(document, next);
  }
  const filled: JsonObject = {};
  for (const key of Object.keys(document)) {
    const value = document[key] as JsonValue;
    setOwn(filled, key, key === liquid ? value : fill(value, next));
  }
  return filled;
}

function fill(value: JsonValue, next: () => JsonValue): JsonValue {
  if (typeof value === 'string') {
    return expressionIn(value) === undefined ? value : next();
  }
  if (Array.isArray(value)) {
    return value.map((item) => fill(item, next));
  }
  if (isObject(value)) {
    const filled: JsonObject = {};
    for (const key of Object.keys(value)) {
      setOwn(filled, key, fill(value[key] as JsonValue, next));
    }
    return filled;
  }
  return value;
}

type PathValue = { readonly known: true; readonly value: JsonValue | undefined } | { readonly known: false };

const UNKNOWN: PathValue = { known: false };

/** The value at a plain path. Unknown for anything more than a path, which JSONata must evaluate. */
export function valueAtPath(path: readonly string[] | undefined, root: JsonValue | undefined): PathValue {
  return path === undefined ? UNKNOWN : { known: true, value: valueAt(path, root) };
}

function valueAt(path: readonly string[], root: JsonValue | undefined): JsonValue | undefined {
  let value: JsonValue | undefined = root;
  for (const [index, name] of path.entries()) {
    if (Array.isArray(value)) {
      return mappedOver(index === 0 ? [value] : value, path.slice(index));
    }
    value = fieldOf(value, name);
    if (value === undefined) {
      return undefined;
    }
  }
  return value;
}

function fieldOf(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** A path over a list, as in JSONata: each step is applied to every item, and the resulting lists are joined. */
function mappedOver(items: readonly JsonValue[], path: readonly string[]): JsonValue | undefined {
  let found: JsonValue[] = [...items];
  for (const [index, name] of path.entries()) {
    const results: JsonValue[] = [];
    for (const item of found) {
      const result = Array.isArray(item) ? single(collected(item, name, [])) : fieldOf(item, name);
      if (result !== undefined) {
        results.push(result);
      }
    }
    // A list that is the only result stays a list, even a short one.
    if (index === path.length - 1 && results.length === 1) {
      return results[0];
    }
    found = results.flat();
  }
  return single(found);
}

/** The fields of all items of a list, including items of nested lists. */
function collected(items: readonly JsonValue[], name: string, into: JsonValue[]): JsonValue[] {
  for (const item of items) {
    if (Array.isArray(item)) {
      collected(item, name, into);
      continue;
    }
    const field = fieldOf(item, name);
    if (Array.isArray(field)) {
      for (const each of field) {
        into.push(each);
      }
    } else if (field !== undefined) {
      into.push(field);
    }
  }
  return into;
}

function single(list: JsonValue[]): JsonValue | undefined {
  return list.length <= 1 ? list[0] : list;
}

/** The expressions of a mapping that the sandbox must evaluate. Plain paths are always read directly. */
export function sandboxed(template: Template): readonly Expression[] {
  return template.expressions.filter((expression) => expression.path === undefined);
}

/**
 * The mapping with its values: plain paths are read here, and the others use the sandbox's answers in order. Undefined
 * when answers are needed and missing.
 */
export function mappedValue(
  template: Template,
  root: () => JsonValue,
  answers: readonly JsonValue[] | undefined,
): JsonValue | undefined {
  const { expressions } = template;
  const plain = expressions.filter((expression) => expression.path !== undefined).length;
  if (answers === undefined && plain < expressions.length) {
    return undefined;
  }
  // Earlier versions also had plain paths evaluated when another expression of the mapping was not plain.
  if (plain === 0 || (answers !== undefined && answers.length === expressions.length)) {
    return fillTemplate(template, answers ?? []);
  }
  const rest = (answers ?? [])[Symbol.iterator]();
  const context = root();
  return fillTemplate(
    template,
    expressions.map(({ path }) => (path === undefined ? (rest.next().value as JsonValue) : valueAt(path, context))),
  );
}

/** Truth as in JSONata's `$boolean`: empty strings, arrays and objects, 0, null and undefined are false. */
export function truthy(value: JsonValue | undefined): boolean {
  if (Array.isArray(value)) {
    return value.some(truthy);
  }
  if (isObject(value)) {
    return Object.keys(value).length > 0;
  }
  return Boolean(value);
}

import { characters, nameMistake, TOKEN, pointerToken, unknownField } from '@batuta/contracts';
import { FORBIDDEN_KEYS } from './guard.js';
import type { Report } from './report.js';
import { unstorable } from './text.js';

/** Looks at one value and reports what is wrong with it; `path` is its JSON Pointer. */
export interface Shape {
  (value: unknown, path: string, report: Report): void;
  /**
   * The value without the fields that are null, which mean the same as absent ones. Free JSON has no such method: its nulls
   * are the user's own.
   */
  withoutNulls?(value: unknown): unknown;
}

/** A value as its shape's rules see it: fields that are null are absent. Copies only what changes. */
export function withoutNulls(shape: Shape, value: unknown): unknown {
  return shape.withoutNulls?.(value) ?? value;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function wrongType(report: Report, path: string, expected: string, value: unknown): void {
  report.add(path, 'wrong_type', `must be ${expected}, not ${kindOf(value)}`);
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export interface TextRules {
  /** Characters (code points). */
  readonly max: number;
  /** Default 1. */
  readonly min?: number;
  readonly pattern?: RegExp;
  /** What the pattern means, after "must be". */
  readonly describe?: string;
}

export function text(rules: TextRules): Shape {
  const { max, min = 1, pattern, describe } = rules;
  return (value, path, report) => {
    if (typeof value !== 'string') return wrongType(report, path, 'a text', value);
    const length = value.length > max || value.length < min * 2 ? characters(value) : value.length;
    if (length < min) {
      report.add(path, 'too_short', min === 1 ? 'must not be empty' : `must have at least ${min} characters`);
    } else if (length > max) {
      report.add(path, 'too_long', `has ${length} characters; at most ${max} are allowed`);
    } else if (pattern !== undefined && !pattern.test(value)) {
      report.add(path, 'bad_format', `must be ${describe ?? `a text that matches ${pattern.source}`}`);
    }
  };
}

export function number(rules: { readonly min: number; readonly max: number; readonly whole?: boolean }): Shape {
  const { min, max, whole = false } = rules;
  return (value, path, report) => {
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      return wrongType(report, path, whole ? 'a whole number' : 'a number', value);
    }
    if (whole && !Number.isInteger(value)) report.add(path, 'wrong_type', 'must be a whole number');
    else if (value < min || value > max) report.add(path, 'out_of_range', `must be from ${min} to ${max}`);
  };
}

export const flag: Shape = (value, path, report) => {
  if (typeof value !== 'boolean') wrongType(report, path, 'true or false', value);
};

export function oneOf(values: readonly string[]): Shape {
  return (value, path, report) => {
    if (typeof value !== 'string') wrongType(report, path, `one of ${values.join(', ')}`, value);
    else if (!values.includes(value)) {
      const hint = report.suggestions.for(value, values);
      report.add(path, 'not_allowed', `must be one of ${values.join(', ')}${hint}`);
    }
  };
}

export function list(item: Shape, rules: { readonly max: number; readonly min?: number }): Shape {
  const { max, min = 0 } = rules;
  const shape: Shape = (value, path, report) => {
    if (!Array.isArray(value)) return wrongType(report, path, 'a list', value);
    if (value.length > max) {
      report.add(path, 'too_many', `has ${value.length} entries; at most ${max} are allowed`);
      return;
    }
    if (value.length < min) report.add(path, 'too_few', `must have at least ${min} ${min === 1 ? 'entry' : 'entries'}`);
    for (const [index, entry] of value.entries()) item(entry, `${path}/${index}`, report);
  };
  if (item.withoutNulls !== undefined) {
    shape.withoutNulls = (value) => (Array.isArray(value) ? value.map((entry) => withoutNulls(item, entry)) : value);
  }
  return shape;
}

export function mapOf(item: Shape, rules: { readonly max: number }): Shape {
  return (value, path, report) => {
    if (!isRecord(value)) return wrongType(report, path, 'an object', value);
    const entries = Object.entries(value);
    if (entries.length > rules.max) {
      report.add(path, 'too_many', `has ${entries.length} entries; at most ${rules.max} are allowed`);
      return;
    }
    for (const [key, entry] of entries) item(entry, `${path}/${pointerToken(key)}`, report);
  };
}

export const anyObject: Shape = (value, path, report) => {
  if (!isRecord(value)) wrongType(report, path, 'an object', value);
};

export const anyJson: Shape = () => undefined;

export function object(fields: Readonly<Record<string, Shape>>, required: readonly string[] = []): Shape {
  const known = new Map(Object.entries(fields));
  const shape: Shape = (value, path, report) => {
    if (!isRecord(value)) return wrongType(report, path, 'an object', value);
    for (const name of required) {
      if (!Object.hasOwn(value, name) || value[name] === null)
        report.add(`${path}/${name}`, 'required', `${name} is required`);
    }
    for (const [name, entry] of Object.entries(value)) {
      const field = known.get(name);
      if (field === undefined) {
        const missing = Object.keys(fields).filter((known) => !Object.hasOwn(value, known));
        const {
          path: at,
          code,
          message,
        } = unknownField(path, name, report.suggestions.for(name, missing) || known.keys());
        report.add(at, code, message);
      } else if (entry !== null) {
        field(entry, `${path}/${name}`, report);
      }
    }
  };
  shape.withoutNulls = (value) => {
    if (!isRecord(value)) return value;
    return Object.fromEntries(
      Object.entries(value).flatMap(([name, entry]) => {
        const field = known.get(name);
        if (field === undefined) return [[name, entry]];
        return entry === null ? [] : [[name, withoutNulls(field, entry)]];
      }),
    );
  };
  return shape;
}

/** Runs several shapes over one value. */
export function all(...shapes: readonly Shape[]): Shape {
  const every: Shape = (value, path, report) => {
    for (const shape of shapes) shape(value, path, report);
  };
  const first = shapes.find((shape) => shape.withoutNulls !== undefined);
  if (first !== undefined) every.withoutNulls = (value) => withoutNulls(first, value);
  return every;
}

/** A name, as `nameMistake` has it. What no stored JSON may hold is reported by `guardJson`, which looks at every text. */
export function name(rules: { readonly max: number }): Shape {
  return (value, path, report) => {
    if (typeof value !== 'string') return wrongType(report, path, 'a text', value);
    const mistake = nameMistake(value, rules.max);
    if (mistake !== undefined && unstorable(value) === undefined) report.add(path, mistake.code, mistake.message);
  };
}

/** An object of the user's own fields, whose keys are names. `guardJson` reports the keys that no object may have. */
export const metadata: Shape = (value, path, report) => {
  if (!isRecord(value)) return wrongType(report, path, 'an object', value);
  for (const key of Object.keys(value)) {
    const mistake = unstorable(key) === undefined && !FORBIDDEN_KEYS.has(key) ? nameMistake(key) : undefined;
    if (mistake !== undefined) report.add(`${path}/${pointerToken(key)}`, mistake.code, `the key ${mistake.message}`);
  }
};

/** A name that may also be one token of a subject: ids of steps and groups, agents, pools. */
export const token: Shape = all(
  text({ max: 64, pattern: TOKEN, describe: '1 to 64 letters, digits, "_" or "-"' }),
  (value, path, report) => {
    const mistake = typeof value === 'string' && TOKEN.test(value) ? nameMistake(value) : undefined;
    if (mistake !== undefined) report.add(path, mistake.code, mistake.message);
  },
);

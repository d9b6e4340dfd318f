import type { MistakeCode } from '../codes.js';
import { PLACE, placeOf } from '../output-place.js';
import type { OutputPlace } from '../output-place.js';
import { parseTime } from '../time.js';
import { parseDuration } from './duration.js';

/** The type of a query parameter, and its description in OpenAPI. `read` returns undefined for an invalid text. */
export interface Parameter<T> {
  readonly description: string;
  readonly schema: Readonly<Record<string, unknown>>;
  readonly example?: unknown;
  readonly repeatable?: boolean;
  /** How many times a repeatable one may be given. */
  readonly most?: number;
  /** Only for OpenAPI. The handler itself refuses a request without the parameter. */
  readonly required?: boolean;
  readonly fallback?: T;
  read(text: string): T | undefined;
  /** A phrase after "must be" that describes a valid text. */
  readonly expected: string;
  /** The code of the mistake when `read` returns undefined. Default `bad_format`. */
  mistake?(text: string): MistakeCode;
}

export type QuerySpec = Readonly<Record<string, Parameter<unknown>>>;

type ValueOf<P> = P extends { repeatable: true; read(text: string): infer T }
  ? Exclude<T, undefined>[]
  : P extends { fallback: infer F; read(text: string): infer T }
    ? Exclude<T, undefined> | F
    : P extends Parameter<infer T>
      ? T | undefined
      : never;
export type QueryOf<S extends QuerySpec> = { readonly [K in keyof S]: ValueOf<S[K]> };

/** A whole number between `min` and `max`. */
export function integerParameter(description: string, min: number, max: number): Parameter<number> {
  return {
    description,
    schema: { type: 'integer', minimum: min, maximum: max },
    expected: `a whole number from ${min} to ${max}`,
    mistake: (text) => (/^-?\d+$/.test(text) ? 'out_of_range' : 'wrong_type'),
    read: (text) => {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

/** The number of items on a page. Default 50. */
export function limitParameter(max: number, fallback = 50): Parameter<number> & { readonly fallback: number } {
  const parameter = integerParameter(`Items on a page, 1 to ${max}.`, 1, max);
  return { ...parameter, schema: { ...parameter.schema, default: fallback }, fallback };
}

/** Text of at most `maxLength` characters, not empty. */
export function textParameter(description: string, maxLength = 255, example?: string): Parameter<string> {
  return {
    description,
    schema: { type: 'string', minLength: 1, maxLength },
    ...(example === undefined ? {} : { example }),
    expected: `text of 1 to ${maxLength} characters`,
    mistake: (text) => (text === '' ? 'too_short' : text.length > maxLength ? 'too_long' : 'invalid_character'),
    read: (text) => (text.length > 0 && text.length <= maxLength && text.isWellFormed() ? text : undefined),
  };
}

/** The `next_cursor` of the previous page. */
export const cursorParameter: Parameter<string> = {
  ...textParameter('`next_cursor` of the page before; leave out for the first page.', 1024),
  expected: 'the next_cursor of the page before',
  mistake: () => 'bad_cursor',
};

/** `place` of the last part or end that was read: an attempt, and how far it was read. */
export const placeParameter: Parameter<OutputPlace> = {
  description:
    '`place` of the last part or end that was read, such as `1.20` or `2.end`; from the beginning when left out.',
  schema: { type: 'string', pattern: PLACE.source },
  example: '1.20',
  expected: 'the place of a part or end, such as 1.20 or 2.end',
  read: placeOf,
};

export function booleanParameter(description: string): Parameter<boolean> {
  return {
    description,
    schema: { type: 'boolean', default: false },
    expected: 'true or false',
    mistake: () => 'not_allowed',
    read: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
  };
}

export function wordParameter<const T extends string>(
  description: string,
  words: readonly T[],
): Parameter<T> & { readonly repeatable: false } {
  return {
    description,
    repeatable: false,
    schema: { type: 'string', enum: [...words] },
    expected: `one of ${words.join(', ')}`,
    mistake: () => 'not_allowed',
    read: (text) => words.find((word) => word === text),
  };
}

/** May be given several times; an item matches if any of the values does. */
export function wordsParameter<const T extends string>(
  description: string,
  words: readonly T[],
): Parameter<T> & { readonly repeatable: true } {
  return { ...wordParameter(description, words), repeatable: true };
}

export function timeParameter(description: string): Parameter<number> {
  return {
    description,
    schema: { type: 'string', format: 'date-time' },
    example: '2025-01-31T12:00:00Z',
    expected: 'an RFC 3339 time that exists, such as 2025-01-31T12:00:00Z',
    read: parseTime,
  };
}

const MAX_WAIT_MS = 60_000;

export const waitParameter: Parameter<number> = {
  description: 'Wait this long, 1ms to 60s, for the end of the execution and answer 200 with its result.',
  schema: { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)?(ms|s|m)$' },
  example: '30s',
  expected: 'a duration from 1ms to 60s, such as 500ms or 30s',
  mistake: (text) => (parseDuration(text) === undefined ? 'bad_format' : 'out_of_range'),
  read: (text) => {
    const value = parseDuration(text);
    return value !== undefined && value >= 1 && value <= MAX_WAIT_MS ? value : undefined;
  },
};

/** Query parameters of the lists of tasks, workflows, processes and runs. */
export const WORK_QUERIES = {
  list: { limit: limitParameter(50, 20), cursor: cursorParameter },
} as const;

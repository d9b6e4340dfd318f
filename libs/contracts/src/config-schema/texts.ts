import { nameMistake } from '../names.js';
import { TOKEN } from '../subjects.js';
import { parseTime } from '../time.js';
import { pointerToken } from '../unknown-field.js';
import { RULE } from './schema.js';
import type { DocumentSchema, ValueMistake, ValueRule } from './schema.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** For editors: no control characters, and no spaces at the ends. `nameMistake` checks the other rules. */
const NAME = '^[^\\s\\x00-\\x1f](?:[^\\x00-\\x1f]*[^\\s\\x00-\\x1f])?$';

/** Whether a text has the form of a config's id. Such a text cannot be a name, so `{id or name}` is never ambiguous. */
export function isUuid(value: string): boolean {
  return UUID.test(value);
}

const ofText =
  (rule: (value: string) => ValueMistake | undefined): ValueRule =>
  (value) =>
    rule(value as string);

/** A name that can also be one token of a subject: ids of steps and groups, agents, pools. */
export const TOKEN_SCHEMA: DocumentSchema = {
  description: '1 to 64 letters, digits, "_" or "-".',
  type: 'string',
  minLength: 1,
  maxLength: 64,
  pattern: TOKEN.source,
  [RULE]: ofText((value) =>
    TOKEN.test(value)
      ? nameMistake(value)
      : { code: 'bad_format', message: 'must be 1 to 64 letters, digits, "_" or "-"' },
  ),
};

/** A name of at most `max` characters that satisfies `nameMistake`. */
export const nameSchema = (max: number): DocumentSchema => ({
  description: `1 to ${max} characters, without control characters and without spaces at the ends.`,
  type: 'string',
  minLength: 1,
  maxLength: max,
  pattern: NAME,
  [RULE]: ofText((value) => nameMistake(value)),
});

/** An object of the user's own fields, whose keys are names. */
export const METADATA_SCHEMA: DocumentSchema = {
  description: 'Whatever the user keeps with it. The platform does not read it. Its keys are names.',
  type: 'object',
  propertyNames: { pattern: NAME },
  [RULE]: (value) =>
    Object.keys(value as object).flatMap((key): ValueMistake[] => {
      const mistake = nameMistake(key);
      const path = `/${pointerToken(key)}`;
      return mistake === undefined ? [] : [{ code: mistake.code, message: `the key ${mistake.message}`, path }];
    }),
};

export const CONFIG_NAME: DocumentSchema = {
  ...nameSchema(255),
  description: 'The name of a config: 1 to 255 characters, not in the form of a UUID.',
  not: { pattern: '^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' },
  [RULE]: ofText(
    (value) =>
      nameMistake(value) ??
      (isUuid(value) ? { code: 'bad_format', message: 'must not look like an id (a UUID)' } : undefined),
  ),
};

export const EXPRESSION: DocumentSchema = {
  description: 'JSONata, with or without the marks "{% … %}"; at most 32,768 characters.',
  type: 'string',
  minLength: 1,
  maxLength: 32 * 1024,
};

/** A time, or an expression that returns one. */
export const TIME: DocumentSchema = {
  description:
    'A time with its zone such as "2026-03-01T09:00:00Z" (RFC 3339), or one expression "{% … %}" that gives one.',
  type: 'string',
  minLength: 1,
  maxLength: 32 * 1024,
  pattern: '^\\d{4}-\\d{2}-\\d{2}[Tt]|\\{%',
  [RULE]: ofText((value) =>
    value.includes('{%') || parseTime(value) !== undefined
      ? undefined
      : {
          code: 'bad_format',
          message:
            'must be a time with its zone such as "2026-03-01T09:00:00Z" (RFC 3339), or one expression "{% … %}"',
        },
  ),
};

export const CALLBACK_URL: DocumentSchema = {
  description: 'An http:// or https:// URL without user name and password.',
  type: 'string',
  minLength: 1,
  maxLength: 2048,
  pattern: '^[Hh][Tt][Tt][Pp][Ss]?:',
  [RULE]: ofText((value) => {
    const url = URL.canParse(value) ? new URL(value) : undefined;
    if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
      return { code: 'bad_format', message: 'must be an http:// or https:// URL' };
    }
    if (url.username === '' && url.password === '') return undefined;
    return { code: 'bad_format', message: 'must not hold a user name or password' };
  }),
};

import {
  DEPENDENCY_ENDS,
  LIMITS,
  characters,
  mentionsSecret,
  nameMistake,
  parseTime,
  pointerToken,
  unknownField,
} from '@batuta/contracts';
import type { JsonValue, MistakeCode } from '@batuta/contracts';
import { IsOptional, ValidateBy } from 'class-validator';

/**
 * One mistake in a field, with a code of `MISTAKES`. `path` is the place inside the field, if it is not the field
 * itself.
 */
interface Mistake {
  readonly code: MistakeCode;
  readonly message: string;
  readonly path?: string;
}

/** Checks the value of a field. The value is present and not null, unless the field is required. */
export type Rule = (value: JsonValue | undefined) => Mistake | readonly Mistake[] | undefined;

/** Every mistake that a rule finds. */
export function mistakesOf(rule: Rule, value: JsonValue | undefined): readonly Mistake[] {
  const found = rule(value);
  if (found === undefined) return [];
  return 'code' in found ? [found] : found;
}

/**
 * Turns a rule into a class-validator decorator. class-validator's own rules have their own names and texts; these
 * rules use the same words as refusals of configs and callbacks. `checked.ts` asks the rule again for the mistakes.
 */
export function Follows(rule: Rule): PropertyDecorator {
  return ValidateBy(
    {
      name: 'follows',
      validator: {
        validate: (value: JsonValue | undefined) => mistakesOf(rule, value).length === 0,
        // Without a message, class-validator does not pass the context on.
        defaultMessage: () => 'does not follow its rule',
      },
    },
    { context: { rule } },
  );
}

const REQUIRED: Mistake = { code: 'required', message: 'is required' };

function kindOf(value: JsonValue): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

const wrongType = (expected: string, value: JsonValue): Mistake => ({
  code: 'wrong_type',
  message: `must be ${expected}, not ${kindOf(value)}`,
});

/** A rule for texts. Other values have the wrong type. */
const ofText =
  (look: (text: string) => Mistake | undefined): Rule =>
  (value) => {
    if (value === undefined) return REQUIRED;
    return typeof value === 'string' ? look(value) : wrongType('a text', value);
  };

/** A name, according to `nameMistake`. */
export const aName = (max: number): Rule => ofText((text) => nameMistake(text, max));

/** A text with a number of characters (code points) in this range. */
export const aText = (max: number, min = 0): Rule =>
  ofText((text) => {
    const length = text.length > max ? characters(text) : text.length;
    if (length < min) return { code: 'too_short', message: 'must not be empty' };
    if (length > max) return { code: 'too_long', message: `has ${length} characters; at most ${max} are allowed` };
    return undefined;
  });

/** A text that matches a pattern. `expected` completes "must be". */
export const aMatch = (pattern: RegExp, expected: string): Rule =>
  ofText((text) => (pattern.test(text) ? undefined : { code: 'bad_format', message: `must be ${expected}` }));

/** A name that matches a pattern, such as an id. */
export const aNameLike = (pattern: RegExp, expected: string): Rule => {
  const form = aMatch(pattern, expected);
  return ofText((text) => mistakesOf(form, text)[0] ?? nameMistake(text));
};

export const oneOf = (words: readonly string[]): Rule =>
  ofText((text) =>
    words.includes(text) ? undefined : { code: 'not_allowed', message: `must be one of ${words.join(', ')}` },
  );

export const aFlag: Rule = (value) => {
  if (value === undefined) return REQUIRED;
  return typeof value === 'boolean' ? undefined : wrongType('true or false', value);
};

const isObject = (value: JsonValue): value is Record<string, JsonValue> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** An object of the user's own fields, whose keys are names. */
export const someMetadata: Rule = (value) => {
  if (value === undefined) return REQUIRED;
  if (!isObject(value)) return wrongType('an object', value);
  return Object.keys(value).flatMap((key) => {
    const mistake = nameMistake(key);
    return mistake === undefined
      ? []
      : [{ code: mistake.code, message: `the key ${mistake.message}`, path: `/${pointerToken(key)}` }];
  });
};

/** A list of 1 to `max` texts. */
export const someTexts = (max: number): Rule => {
  const item = ofText(() => undefined);
  return (value) => {
    if (value === undefined) return REQUIRED;
    if (!Array.isArray(value)) return wrongType('a list', value);
    if (value.length === 0) return { code: 'too_few', message: 'must have at least 1 entry' };
    if (value.length > max) {
      return { code: 'too_many', message: `has ${value.length} entries; at most ${max} are allowed` };
    }
    return value.flatMap((entry, index) =>
      mistakesOf(item, entry).map((mistake) => ({ ...mistake, path: `/${index}` })),
    );
  };
};

/** An absolute http or https URL of at most 2048 characters, without user and password: it is stored and shown. */
export const aHttpUrl: Rule = ofText((text) => {
  if (text.length > 2048) {
    return { code: 'too_long', message: `has ${text.length} characters; at most 2048 are allowed` };
  }
  // The URL comes with a start, whose author may not decide where the tenant's secrets are sent.
  if (mentionsSecret(text)) {
    return {
      code: 'secret_not_allowed',
      message: 'cannot refer to a secret: make a callback, whose callback_url and callback_headers can',
    };
  }
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    return { code: 'bad_format', message: 'must be an http or https URL' };
  }
  return url.username === '' && url.password === ''
    ? undefined
    : { code: 'bad_format', message: 'must not hold a user name or password' };
});

/** An RFC 3339 time. */
export const aTime: Rule = ofText((text) =>
  parseTime(text) === undefined
    ? { code: 'bad_format', message: 'must be an RFC 3339 time that exists, such as 2030-01-31T12:00:00Z' }
    : undefined,
);

/** An RFC 3339 time that has not come yet. */
export const aFutureTime: Rule = ofText((text) => {
  const at = parseTime(text);
  if (at === undefined) return mistakesOf(aTime, text)[0];
  return at > Date.now() ? undefined : { code: 'out_of_range', message: 'must be a time in the future' };
});

const LIMITS_OF_BUDGET = ['max_tokens', 'max_cost'];

/** `{max_tokens, max_cost}`: one or both, each above 0; null is as if left out. */
export const aBudget: Rule = (value) => {
  if (value === undefined) return REQUIRED;
  if (!isObject(value)) return wrongType('an object', value);
  const given = Object.entries(value).filter(([, limit]) => limit !== null);
  if (given.length === 0) return { code: 'required', message: 'must have max_tokens, max_cost or both' };
  return given.flatMap(([name, limit]): readonly Mistake[] => {
    const path = `/${pointerToken(name)}`;
    const whole = name === 'max_tokens';
    if (!LIMITS_OF_BUDGET.includes(name)) {
      return [unknownField('', name, LIMITS_OF_BUDGET)];
    }
    if (typeof limit !== 'number' || (whole && !Number.isInteger(limit))) {
      return [{ ...wrongType(whole ? 'a whole number' : 'a number', limit), path }];
    }
    return limit > 0 && limit <= Number.MAX_SAFE_INTEGER
      ? []
      : [{ path, code: 'out_of_range', message: `must be above 0, up to ${Number.MAX_SAFE_INTEGER}` }];
  });
};

const FIELDS_OF_DEPENDENCY = ['execution', 'on'];
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Executions that have to end first: `{execution, on}`. */
export const someDependencies: Rule = (value) => {
  if (value === undefined) return REQUIRED;
  if (!Array.isArray(value)) return wrongType('a list', value);
  if (value.length === 0) return { code: 'too_few', message: 'must have at least 1 entry' };
  if (value.length > LIMITS.dependencies) {
    const message = `has ${value.length} entries; at most ${LIMITS.dependencies} are allowed`;
    return { code: 'too_many', message };
  }
  const seen = new Set<string>();
  return value.flatMap((entry, index): readonly Mistake[] => {
    const path = `/${index}`;
    if (!isObject(entry)) return [{ ...wrongType('an object with execution and on', entry), path }];
    const { execution, on } = entry;
    const mistakes = Object.keys(entry)
      .filter((name) => !FIELDS_OF_DEPENDENCY.includes(name))
      .map((name): Mistake => unknownField(path, name, FIELDS_OF_DEPENDENCY));
    mistakes.push(
      ...mistakesOf(aMatch(UUID, 'the id of an execution'), execution ?? undefined).map((found) => ({
        ...found,
        path: `${path}/execution`,
      })),
    );
    if (on != null) {
      mistakes.push(...mistakesOf(oneOf(DEPENDENCY_ENDS), on).map((found) => ({ ...found, path: `${path}/on` })));
    }
    const id = typeof execution === 'string' ? execution.toLowerCase() : '';
    if (id !== '' && seen.has(id)) {
      mistakes.push({ code: 'duplicate_dependency', message: 'stands twice', path: `${path}/execution` });
    }
    seen.add(id);
    return mistakes;
  });
};

/** A field that may be left out or null, which is the same. */
export const Maybe = (): PropertyDecorator => IsOptional();

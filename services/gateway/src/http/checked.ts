import type { PipeTransform } from '@nestjs/common';
import type { JsonObject, JsonValue, Violation } from '@batuta/contracts';
import { validateSync } from 'class-validator';
import type { ValidationError } from 'class-validator';
import { Problem } from './problem.js';

const snake = (name: string): string => name.replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase();

function violationsOf(errors: readonly ValidationError[], parent = ''): Violation[] {
  return errors.flatMap((error) => {
    const path = `${parent}/${error.property.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const own = Object.entries(error.constraints ?? {}).map(([rule, message]) =>
      rule === 'whitelistValidation'
        ? { path, message: `${error.property} is not a known field`, code: 'unknown_field' }
        : { path, message, code: snake(rule) },
    );
    return [...own, ...violationsOf(error.children ?? [], path)];
  });
}

export const isJsonObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * A body as an instance of its DTO, checked by the DTO's class-validator rules; unknown fields are mistakes.
 * class-transformer is left out: it would copy, and partly reinterpret, the user's own documents.
 * @throws Problem validation_failed with every mistake and its path.
 */
export function check<T extends object>(dto: new () => T, body: JsonValue | undefined): T {
  if (!isJsonObject(body)) {
    const message = body === undefined ? 'A JSON body is required.' : 'The body must be a JSON object.';
    throw new Problem('validation_failed', message, { errors: [{ path: '', message, code: 'is_object' }] });
  }
  const instance = Object.assign(new dto(), body);
  const errors = validateSync(instance, {
    whitelist: true,
    forbidNonWhitelisted: true,
    validationError: { target: false, value: false },
  });
  if (errors.length > 0) {
    const violations = violationsOf(errors);
    throw new Problem(
      'validation_failed',
      `The body is wrong: ${violations.map(({ message }) => message).join('; ')}.`,
      {
        errors: violations,
      },
    );
  }
  return instance;
}

/**
 * A pipe for `@Body()`: the body as a checked DTO. With `optional`, no body stands for an empty one, which must be right.
 * `plain`: of some fields, which values are right beyond doubt. A body of nothing else is not given to class-validator, which
 * costs more than the rest of a start's checks together; so these may refuse what is right, and must not let through what is not.
 */
export function checkedBody<T extends object>(
  dto: new () => T,
  options: { optional?: boolean; plain?: PlainFields<T> } = {},
): PipeTransform<JsonValue | undefined, T> {
  const { optional = false, plain = {} } = options;
  return {
    transform: (body) => {
      if (optional && (body === undefined || isPlain(body, plain))) return Object.assign(new dto(), body);
      return check(dto, body);
    },
  };
}

/** Of fields of `T`, whether a value is right beyond doubt. */
export type PlainFields<T> = Readonly<Partial<Record<keyof T & string, (value: JsonValue | undefined) => boolean>>>;

function isPlain<T>(body: JsonValue, plain: PlainFields<T>): boolean {
  if (!isJsonObject(body)) return false;
  for (const name of Object.keys(body)) {
    if (!Object.hasOwn(plain, name) || plain[name as keyof T & string]?.(body[name]) !== true) return false;
  }
  return true;
}

/** A pipe for commands that take nothing: no body, or an empty object. (class-validator refuses to check a class without rules.) */
export const emptyBody: PipeTransform<JsonValue | undefined, undefined> = {
  transform: (body) => {
    if (body === undefined) return undefined;
    if (!isJsonObject(body)) {
      const message = 'The body must be an empty JSON object, or left out.';
      throw new Problem('validation_failed', message, { errors: [{ path: '', message, code: 'is_object' }] });
    }
    const errors = Object.keys(body).map((field) => ({
      path: `/${field.replaceAll('~', '~0').replaceAll('/', '~1')}`,
      message: `${field} is not a known field`,
      code: 'unknown_field',
    }));
    if (errors.length > 0) throw new Problem('validation_failed', 'This command takes no fields.', { errors });
    return undefined;
  },
};

/** A pipe for a body that the service behind checks: any JSON object. */
export const objectBody: PipeTransform<JsonValue | undefined, JsonValue> = {
  transform: (body) => {
    if (!isJsonObject(body)) {
      const message = body === undefined ? 'A JSON body is required.' : 'The body must be a JSON object.';
      throw new Problem('validation_failed', message, { errors: [{ path: '', message, code: 'is_object' }] });
    }
    return body;
  },
};

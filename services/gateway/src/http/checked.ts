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

/**
 * A body as an instance of its DTO, checked by the DTO's class-validator rules; unknown fields are mistakes.
 * class-transformer is left out: it would copy, and partly reinterpret, the user's own documents.
 * @throws Problem validation_failed with every mistake and its path.
 */
export function check<T extends object>(dto: new () => T, body: JsonValue | undefined): T {
  if (body === null || typeof body !== 'object' || Array.isArray(body)) {
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
 * `anything`: a field that may hold any value; a body of it alone needs no check.
 */
export function checkedBody<T extends object>(
  dto: new () => T,
  options: { optional?: boolean; anything?: keyof T & string } = {},
): PipeTransform<JsonValue | undefined, T> {
  return {
    transform: (body) => {
      if (body === undefined && options.optional === true) return new dto();
      if (options.anything !== undefined && isOnly(body, options.anything)) return Object.assign(new dto(), body);
      return check(dto, body);
    },
  };
}

function isOnly(body: JsonValue | undefined, field: string): body is JsonObject {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return false;
  const keys = Object.keys(body);
  return keys.length === 1 && keys[0] === field;
}

/** A pipe for commands that take nothing: no body, or an empty object. (class-validator refuses to check a class without rules.) */
export const emptyBody: PipeTransform<JsonValue | undefined, undefined> = {
  transform: (body) => {
    if (body === undefined) return undefined;
    if (body === null || typeof body !== 'object' || Array.isArray(body)) {
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
    if (body === null || typeof body !== 'object' || Array.isArray(body)) {
      const message = body === undefined ? 'A JSON body is required.' : 'The body must be a JSON object.';
      throw new Problem('validation_failed', message, { errors: [{ path: '', message, code: 'is_object' }] });
    }
    return body;
  },
};

import type { PipeTransform } from '@nestjs/common';
import { pointerToken, unknownField } from '@batuta/contracts';
import type { JsonObject, JsonValue, Violation } from '@batuta/contracts';
import { getMetadataStorage, validateSync } from 'class-validator';
import type { ValidationError } from 'class-validator';
import { mistakesOf } from './rules.js';
import type { Rule } from './rules.js';
import { Problem } from '../http/problem.js';

/** A DTO's class. `hintFor` may say where an unknown field belongs. */
export type Dto<T> = (new () => T) & { hintFor?(field: string, body: JsonObject): string | undefined };

/** The message for an unknown field: where it belongs, or which fields exist. */
function hintOf<T>(dto: Dto<T>, field: string, body: JsonObject): string {
  const metadata = getMetadataStorage().getTargetValidationMetadatas(dto, '', false, false);
  const known = [...new Set(metadata.map(({ propertyName }) => propertyName))];
  return `; ${dto.hintFor?.(field, body) ?? `known are ${known.join(', ')}`}`;
}

/** The mistakes in fields of a DTO. Each rule reports its own (dto/rules.ts); a field without a rule is unknown. */
function violationsOf<T>(errors: readonly ValidationError[], dto: Dto<T>, body: JsonObject): Violation[] {
  return errors.flatMap(({ property, value, constraints = {}, contexts = {} }) =>
    Object.keys(constraints).flatMap((name): readonly Violation[] => {
      const { rule } = (contexts[name] ?? {}) as { rule?: Rule };
      if (rule === undefined) return [unknownField('', property, hintOf(dto, property, body))];
      return mistakesOf(rule, value as JsonValue | undefined).map(({ path = '', message, code }) => ({
        path: `/${pointerToken(property)}${path}`,
        message,
        code,
      }));
    }),
  );
}

function requireObject(body: JsonValue | undefined, none: string): asserts body is JsonObject {
  if (isJsonObject(body)) return;
  const error: Violation =
    body === undefined
      ? { path: '', message: none, code: 'required' }
      : { path: '', message: 'The body must be a JSON object.', code: 'wrong_type' };
  throw new Problem('validation_failed', error.message, { errors: [error] });
}

const detailOf = (errors: readonly Violation[]): string => {
  const listed = errors.slice(0, 10).map(({ path, message }) => `${path} ${message}`);
  return `The body is wrong: ${listed.join('; ')}${errors.length > 10 ? `; and ${errors.length - 10} more` : ''}.`;
};

export const isJsonObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * A body as an instance of its DTO, checked by the DTO's class-validator rules. Unknown fields are mistakes.
 * class-transformer is not used, because it would copy, and partly reinterpret, the user's own documents. @throws
 * Problem validation_failed with every mistake and its path.
 */
export function check<T extends object>(dto: Dto<T>, body: JsonValue | undefined): T {
  requireObject(body, 'A JSON body is required.');
  const instance = Object.assign(new dto(), body);
  const errors = validateSync(instance, {
    whitelist: true,
    forbidNonWhitelisted: true,
    validationError: { target: false },
  });
  if (errors.length > 0) {
    const violations = violationsOf(errors, dto, body);
    throw new Problem('validation_failed', detailOf(violations), { errors: violations });
  }
  return instance;
}

/**
 * A pipe for `@Body()`: the body as a checked DTO. With `optional`, a missing body counts as an empty one, which must
 * be valid. `plain` says for some fields which values are certainly valid. A body with such values only is not given to
 * class-validator, which costs more than all other checks of a start together. So `plain` may reject a valid value, but
 * must not accept an invalid one.
 */
export function checkedBody<T extends object>(
  dto: Dto<T>,
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

/** For fields of `T`: whether a value is certainly valid. */
export type PlainFields<T> = Readonly<Partial<Record<keyof T & string, (value: JsonValue | undefined) => boolean>>>;

function isPlain<T>(body: JsonValue, plain: PlainFields<T>): boolean {
  if (!isJsonObject(body)) return false;
  for (const name of Object.keys(body)) {
    if (!Object.hasOwn(plain, name) || plain[name as keyof T & string]?.(body[name]) !== true) return false;
  }
  return true;
}

/** A pipe for a body that the service behind the gateway checks: any JSON object. */
export const objectBody: PipeTransform<JsonValue | undefined, JsonValue> = {
  transform: (body) => {
    requireObject(body, 'A JSON body is required.');
    return body;
  },
};

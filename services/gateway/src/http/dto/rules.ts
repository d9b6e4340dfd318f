import { parseTime } from '@batuta/contracts';
import { IsOptional, ValidateBy } from 'class-validator';

/** An absolute http or https URL of at most 2048 characters. */
export function IsHttpUrl(): PropertyDecorator {
  return ValidateBy({
    name: 'isHttpUrl',
    validator: {
      validate: (value) =>
        typeof value === 'string' &&
        value.length <= 2048 &&
        URL.canParse(value) &&
        ['http:', 'https:'].includes(new URL(value).protocol),
      defaultMessage: (args) => `${args?.property} must be an http or https URL of at most 2048 characters`,
    },
  });
}

/** An RFC 3339 time. */
export function IsTime(): PropertyDecorator {
  return ValidateBy({
    name: 'isTime',
    validator: {
      validate: (value) => typeof value === 'string' && parseTime(value) !== undefined,
      defaultMessage: (args) => `${args?.property} must be an RFC 3339 time that exists, such as 2030-01-31T12:00:00Z`,
    },
  });
}

/** An RFC 3339 time that has not come yet. */
export function IsFutureTime(): PropertyDecorator {
  return ValidateBy({
    name: 'isFutureTime',
    validator: {
      validate: (value) => typeof value === 'string' && (parseTime(value) ?? 0) > Date.now(),
      defaultMessage: (args) =>
        `${args?.property} must be an RFC 3339 time that exists and is in the future, such as 2030-01-31T12:00:00Z`,
    },
  });
}

const LIMITS_OF_BUDGET = ['max_tokens', 'max_cost'];

function isBudget(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const entries = Object.entries(value);
  return (
    entries.length > 0 &&
    entries.every(
      ([name, limit]) =>
        LIMITS_OF_BUDGET.includes(name) &&
        typeof limit === 'number' &&
        limit > 0 &&
        limit <= Number.MAX_SAFE_INTEGER &&
        (name !== 'max_tokens' || Number.isInteger(limit)),
    )
  );
}

/** `{max_tokens, max_cost}`: one or both, each above 0. */
export function IsBudget(): PropertyDecorator {
  return ValidateBy({
    name: 'isBudget',
    validator: {
      validate: isBudget,
      defaultMessage: (args) =>
        `${args?.property} must be an object with max_tokens (a whole number above 0), max_cost (a number above 0) or both`,
    },
  });
}

/** A field that may be left out or null. */
export const Maybe = (): PropertyDecorator => IsOptional();

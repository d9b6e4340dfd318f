import { IsOptional, ValidateBy } from 'class-validator';
import { parseTime } from '../query.js';

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
      validate: (value) => typeof value === 'string' && (parseTime(value) ?? -1) >= 0,
      defaultMessage: (args) => `${args?.property} must be an RFC 3339 time such as 2030-01-31T12:00:00Z`,
    },
  });
}

/** An RFC 3339 time that has not come yet. */
export function IsFutureTime(): PropertyDecorator {
  return ValidateBy({
    name: 'isFutureTime',
    validator: {
      validate: (value) => typeof value === 'string' && (parseTime(value) ?? 0) > Date.now(),
      defaultMessage: (args) => `${args?.property} must be an RFC 3339 time in the future`,
    },
  });
}

/** A field that may be left out or null. */
export const Maybe = (): PropertyDecorator => IsOptional();

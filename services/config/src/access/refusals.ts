import type { JsonObject, MistakeCode, Refusal, RefusalCode, Violation } from '@batuta/contracts';

/** An expected "no": a return value, never an exception. */
export interface Refused {
  readonly refused: Refusal;
}

export function refuse(
  code: RefusalCode,
  message: string,
  more: { readonly violations?: readonly Violation[]; readonly details?: JsonObject } = {},
): Refused {
  return {
    refused: {
      code,
      message,
      ...(more.violations === undefined ? {} : { violations: [...more.violations] }),
      ...(more.details === undefined ? {} : { details: more.details }),
    },
  };
}

/** A `validation_failed` refusal with its mistakes. `total` may exceed the number of listed ones. */
export function invalid(what: string, violations: readonly Violation[], total = violations.length): Refused {
  const count = total === 1 ? 'one mistake' : `${total} mistakes`;
  const listed = total > violations.length ? `, of which the first ${violations.length} are listed` : '';
  return refuse('validation_failed', `${what} has ${count}${listed}.`, { violations });
}

/** A `validation_failed` refusal for one field of a request. */
export function invalidField(path: string, code: MistakeCode, message: string): Refused {
  return invalid('The request', [{ path, code, message }]);
}

export function isRefused(value: object): value is Refused {
  return 'refused' in value && value.refused !== undefined;
}

/** Ends a transaction with a refusal. The code that began the transaction catches it. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  constructor(readonly refusal: Refused) {
    super(refusal.refused.message);
  }
}

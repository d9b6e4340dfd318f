import { roleRefusal } from '@batuta/contracts';
import type { Principal, Refusal, RefusalCode, Role, Violation } from '@batuta/contracts';

/** An expected "no": a value, never an exception. */
export interface Refused {
  readonly refused: Refusal;
}

export function refuse(code: RefusalCode, message: string, violations?: readonly Violation[]): Refused {
  return { refused: { code, message, ...(violations === undefined ? {} : { violations: [...violations] }) } };
}

/** `validation_failed` with every mistake. */
export function invalid(what: string, violations: readonly Violation[]): Refused {
  const count = violations.length === 1 ? 'one mistake' : `${violations.length} mistakes`;
  return refuse('validation_failed', `${what} has ${count}.`, violations);
}

/** A `forbidden` refusal when the principal's role is below `needed`, for what takes more than its operation does. */
export function requireRole(principal: Principal, needed: Role, does: string): Refused | undefined {
  const refused = roleRefusal(principal, needed, does);
  return refused === undefined ? undefined : { refused };
}

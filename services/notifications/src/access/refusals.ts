import { roleRefusal } from '@batuta/contracts';
import type { Principal, Refusal, RefusalCode, Role, Violation } from '@batuta/contracts';

/** An expected "no": a return value, never an exception. */
export interface Refused {
  readonly refused: Refusal;
}

export function refuse(code: RefusalCode, message: string, violations?: readonly Violation[]): Refused {
  return { refused: { code, message, ...(violations === undefined ? {} : { violations: [...violations] }) } };
}

/** A `validation_failed` refusal with every mistake. */
export function invalid(what: string, violations: readonly Violation[]): Refused {
  const count = violations.length === 1 ? 'one mistake' : `${violations.length} mistakes`;
  return refuse('validation_failed', `${what} has ${count}.`, violations);
}

/**
 * A `forbidden` refusal when the principal's role is below `needed`. For requests that need more than their operation's
 * role.
 */
export function requireRole(principal: Principal, needed: Role, does: string): Refused | undefined {
  const refused = roleRefusal(principal, needed, does);
  return refused === undefined ? undefined : { refused };
}

import { ROLES, TENANT_ID } from '@batuta/contracts';
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

/** A `forbidden` refusal when the principal's role is below `needed`. */
export function requireRole(principal: Principal, needed: Role, action: string): Refused | undefined {
  if (ROLES.indexOf(principal.role) >= ROLES.indexOf(needed)) return undefined;
  return refuse('forbidden', `To ${action} takes the role ${needed}; this key has the role ${principal.role}.`);
}

/**
 * The principal of a request.
 * @throws TypeError when it is not complete: only services ask, so that is a bug of theirs.
 */
export function principalOf(request: { principal?: Principal }): Principal {
  const { principal } = request;
  const complete =
    principal !== undefined &&
    TENANT_ID.test(principal.tenantId ?? '') &&
    (principal.userId ?? '') !== '' &&
    ROLES.includes(principal.role);
  if (!complete) throw new TypeError('the request carries no complete principal');
  return principal;
}

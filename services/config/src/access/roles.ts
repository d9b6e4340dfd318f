import { roleRefusal } from '@batuta/contracts';
import type { Principal, Role } from '@batuta/contracts';
import type { Refused } from './refusals.js';

/** A `forbidden` refusal when the principal's role is below `needed`, for what takes more than its operation does. */
export function requireRole(principal: Principal, needed: Role, does: string): Refused | undefined {
  const refused = roleRefusal(principal, needed, does);
  return refused === undefined ? undefined : { refused };
}

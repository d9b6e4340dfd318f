import { roleRefusal } from '@batuta/contracts';
import type { Principal, Role } from '@batuta/contracts';
import type { Refused } from './refusals.js';

/**
 * A `forbidden` refusal when the principal's role is below `needed`. For requests that need more than their operation's
 * role.
 */
export function requireRole(principal: Principal, needed: Role, does: string): Refused | undefined {
  const refused = roleRefusal(principal, needed, does);
  return refused === undefined ? undefined : { refused };
}

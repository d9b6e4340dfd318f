import { ROLES } from '@batuta/contracts';
import type { Principal, Role } from '@batuta/contracts';
import { refuse } from './refusals.js';
import type { Refused } from './refusals.js';

const RANK: ReadonlyMap<string, number> = new Map(ROLES.map((role, rank) => [role, rank]));

/** Whether the principal's role is `needed` or above: viewer < operator < admin. */
export function mayActAs(principal: Principal, needed: Role): boolean {
  return (RANK.get(principal.role) ?? -1) >= (RANK.get(needed) ?? Infinity);
}

/** A `forbidden` refusal when the principal's role is below `needed`. */
export function requireRole(principal: Principal, needed: Role, action: string): Refused | undefined {
  if (mayActAs(principal, needed)) return undefined;
  return refuse('forbidden', `To ${action} takes the role ${needed}; this key has the role ${principal.role}.`);
}

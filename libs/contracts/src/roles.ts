import { ROLES } from './codes.js';
import type { Role } from './codes.js';
import type { Principal, Refusal } from './common.js';

/** Whether a role includes another one: viewer < operator < admin. An unknown role includes nothing. */
export function allows(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

/** The refusal for a principal whose role is below `needed`. `does`: the action, as a phrase after "to". */
export function roleRefusal({ role }: Principal, needed: Role, does: string): Refusal | undefined {
  if (allows(role, needed)) return undefined;
  return { code: 'forbidden', message: `To ${does} takes the role ${needed}; this key has the role ${role}.` };
}

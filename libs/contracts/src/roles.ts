import { ROLES } from './codes.js';
import type { Role } from './codes.js';
import type { Principal, Refusal } from './common.js';

/** Whether a role may do what needs another: viewer < operator < admin. A role that is none of them may do nothing. */
export function allows(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

/** What a service answers to a principal whose role is below `needed`. `does`: what it takes the role for, after "to". */
export function roleRefusal({ role }: Principal, needed: Role, does: string): Refusal | undefined {
  if (allows(role, needed)) return undefined;
  return { code: 'forbidden', message: `To ${does} takes the role ${needed}; this key has the role ${role}.` };
}

/** Deleting an execution, which cannot be taken back. */
export const DELETE_ROLE: Role = 'admin';

/** Every other command to an execution, a start included. */
export const COMMAND_ROLE: Role = 'operator';

import { ROLES } from '@batuta/contracts';
import type { Role } from '@batuta/contracts';

/** Whether `role` includes `needed`: viewer < operator < admin. */
export function allows(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

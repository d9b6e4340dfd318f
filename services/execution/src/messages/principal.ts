import type { JsonValue, Principal } from '@batuta/contracts';
import { ROLES } from '@batuta/contracts';
import { fail, name, object, onlyKnown, text } from './fields.js';

const PRINCIPAL = new Set(['tenantId', 'userId', 'role', 'keyId']);

export function principal(value: JsonValue | undefined): Principal {
  const found = object(value, 'principal');
  onlyKnown(found, 'principal', PRINCIPAL);
  const role = ROLES.find((item) => item === found.role) ?? fail('principal.role', 'viewer, operator or admin');
  return {
    tenantId: name(found.tenantId, 'principal.tenantId', 40),
    userId: text(found.userId, 'principal.userId'),
    role,
    keyId: text(found.keyId, 'principal.keyId'),
  };
}

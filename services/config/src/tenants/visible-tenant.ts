import { DEFAULT_TENANT, TENANT_ID } from '@batuta/contracts';
import type { Principal } from '@batuta/contracts';
import { textField } from '../access/requests.js';

/** The id of a tenant when the caller may know of it: its own, and any for the platform's admins. */
export function visibleTo(principal: Principal, tenantId: unknown): string | undefined {
  const id = textField(tenantId);
  if (!TENANT_ID.test(id)) return undefined;
  return id === principal.tenantId || principal.tenantId === DEFAULT_TENANT ? id : undefined;
}

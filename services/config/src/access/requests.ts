import { ROLES, TENANT_ID } from '@batuta/contracts';
import type { Principal } from '@batuta/contracts';
import { unstorable } from '../json/text.js';

/** proto-JSON leaves out default values: an absent text is "". */
export function textField(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** proto-JSON leaves out default values: an absent number is 0. */
export function intField(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : 0;
}

/** A page size from a request: `fallback` when absent, cut to 1…`max`. */
export function pageSize(value: unknown, fallback: number, max: number): number {
  const asked = intField(value);
  return asked <= 0 ? fallback : Math.min(asked, max);
}

/** An id, name or search text that can reach the database at all; nothing is stored under any other. */
export function findable(value: unknown, maxLength = 1024): string | undefined {
  const text = textField(value);
  return text === '' || text.length > maxLength || unstorable(text) !== undefined ? undefined : text;
}

/**
 * The principal of a request.
 * @throws TypeError when it is not complete: only services ask, so that is a bug of theirs.
 */
export function principalOf(request: { principal?: Principal }): Principal {
  const { principal } = request;
  const complete =
    principal !== undefined &&
    TENANT_ID.test(textField(principal.tenantId)) &&
    textField(principal.userId) !== '' &&
    ROLES.includes(principal.role);
  if (!complete) throw new TypeError('the request carries no complete principal');
  return principal;
}

/**
 * The tenant of a request.
 * @throws TypeError when it is missing or malformed.
 */
export function tenantOf(request: { tenantId?: string }): string {
  const tenant = textField(request.tenantId);
  if (!TENANT_ID.test(tenant)) throw new TypeError('the request carries no tenant id');
  return tenant;
}

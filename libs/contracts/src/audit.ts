import { createHash } from 'node:crypto';
import type { Principal, Refusal } from './common.js';
import type {
  AppendAuditReplyJson,
  AppendAuditRequestJson,
  AuditEntryJson,
  ListAuditReplyJson,
  ListAuditRequestJson,
} from './generated/batuta/config/v1/audit_pb.js';
import type { Override, Wire } from './wire.js';

export const AUDIT_OUTCOMES = ['succeeded', 'refused', 'failed'] as const;
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];
/** Maximum number of entries that are sent and stored together, and that a page has. */
export const AUDIT_BATCH = 500;
/** Maximum number of characters of one text in an entry. Longer texts are cut. */
export const AUDIT_TEXT = 512;
/** The link before the first entry of a tenant. */
export const FIRST_AUDIT_LINK = '00'.repeat(32);

export type AuditEntry = Override<
  Wire<AuditEntryJson, 'keyId' | 'userId' | 'role' | 'revision' | 'code' | 'address' | 'requestId' | 'usedBy'>,
  { outcome: AuditOutcome }
>;
/** An entry before it has a place in its tenant's log. */
export type NewAuditEntry = Omit<AuditEntry, 'seq' | 'link'>;
export type AppendAuditRequest = Override<Wire<AppendAuditRequestJson>, { entries: readonly NewAuditEntry[] }>;
export type AppendAuditReply = Wire<AppendAuditReplyJson>;
export type ListAuditRequest = Override<
  Wire<ListAuditRequestJson, Exclude<keyof ListAuditRequestJson, 'principal'>>,
  { principal: Principal }
>;
export type ListAuditReply = Override<
  Wire<ListAuditReplyJson, 'refused' | 'nextCursor'>,
  { entries: AuditEntry[]; refused?: Refusal }
>;

/**
 * The link of an entry: SHA-256, in hexadecimal digits, of the bytes of the previous link and of the entry's fields in
 * this order as one JSON array. Absent fields are "". `used_by` comes last, and only if it is not empty. `previous` of
 * the first entry: `FIRST_AUDIT_LINK`.
 */
export function auditLink(previous: string, entry: Omit<AuditEntry, 'link'>): string {
  const { keyId = '', userId = '', role = '', revision = '', code = '', address = '', requestId = '' } = entry;
  const { usedBy = '' } = entry;
  const { seq, id, at, tenantId, channel, action, resource, outcome } = entry;
  const who = [keyId, userId, role, channel, address, requestId];
  const what = [action, resource, revision, outcome, code, ...(usedBy === '' ? [] : [usedBy])];
  return createHash('sha256')
    .update(Buffer.from(previous, 'hex'))
    .update(JSON.stringify([seq, id, at, tenantId, ...who, ...what]))
    .digest('hex');
}

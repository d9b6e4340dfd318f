import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type { AuditEntry, BatutaClient } from '@batuta/client';
import { auditLink, FIRST_AUDIT_LINK } from '@batuta/contracts';
import type { AuditOutcome } from '@batuta/contracts';
import type { AuditOptions } from '../command-line.js';
import { CliError } from './api-client.js';

/** The query of a list or an export, with the API's names. */
export function auditQuery({ tenant, user, key, execution, ...same }: AuditOptions): Record<string, string> {
  const query = { tenant_id: tenant, user_id: user, key_id: key, execution_id: execution, ...same };
  return Object.fromEntries(Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined));
}

/** Entries as lines of a table. */
export async function* auditLines(client: BatutaClient, options: AuditOptions, limit: number): AsyncIterable<string> {
  let left = limit;
  if (left <= 0) return;
  for await (const entry of client.audit.list({ ...auditQuery(options), limit: Math.min(500, limit) } as never)) {
    const { at, user_id: user, address, action, resource, outcome, code, used_by: usedBy = '' } = entry;
    const end = code === undefined || code === '' ? outcome : `${outcome} (${code})`;
    const who = usedBy === '' ? `${user === undefined || user === '' ? '-' : user}@${address ?? ''}` : usedBy;
    yield `${at}  ${who}  ${action}  ${resource}  ${end}`;
    left -= 1;
    if (left === 0) return;
  }
}

/** The lines of an export as they arrive. @throws CliError when the platform refuses it. */
export async function* exportedAudit(client: BatutaClient, options: AuditOptions): AsyncIterable<string> {
  const query = new URLSearchParams(auditQuery(options)).toString();
  const path = `/api/v1/audit/export${query === '' ? '' : `?${query}`}`;
  const answer = await client.send({ method: 'GET', path });
  if (!answer.ok || answer.body === null) {
    const { detail } = (await answer.json().catch(() => ({}))) as { detail?: string };
    throw new CliError(detail ?? `the export was answered with ${answer.status}`);
  }
  yield* createInterface({ input: Readable.fromWeb(answer.body as ReadableStream), crlfDelay: Infinity });
}

interface AuditFinding {
  readonly entries: number;
  /** The problem of the first invalid entry. */
  readonly wrong?: string;
}

/**
 * Verifies the chain of a tenant's audit log. If old entries were removed, the first remaining entry is trusted. The
 * chain cannot show that its newest entries are missing, so keep an export elsewhere.
 */
export async function verifyAudit(lines: AsyncIterable<string>): Promise<AuditFinding> {
  let entries = 0;
  let last: { seq: number; link: string } | undefined;
  for await (const line of lines) {
    const entry = JSON.parse(line) as AuditEntry;
    const { seq, link } = entry;
    if (last !== undefined && seq !== last.seq + 1) {
      return { entries, wrong: `after entry ${last.seq} comes ${seq}: what was between is gone` };
    }
    const before = last?.link ?? (seq === 1 ? FIRST_AUDIT_LINK : undefined);
    if (before !== undefined && auditLink(before, stored(entry)) !== link) {
      return { entries, wrong: `entry ${seq} (${entry.id}) is not what was recorded` };
    }
    last = { seq, link };
    entries += 1;
  }
  return { entries };
}

function stored(entry: AuditEntry): Parameters<typeof auditLink>[1] {
  const { id, seq, tenant_id: tenantId, channel, action, resource, outcome } = entry;
  const { key_id: keyId = '', user_id: userId = '', role = '', revision = '', code = '', address = '' } = entry;
  const what = { channel, action, resource, revision, outcome: outcome as AuditOutcome, code };
  const at = Date.parse(entry.at ?? '');
  return {
    id,
    seq,
    at,
    tenantId,
    keyId,
    userId,
    role,
    address,
    requestId: entry.request_id ?? '',
    usedBy: entry.used_by ?? '',
    ...what,
  };
}

import {
  AUDIT_BATCH,
  AUDIT_OUTCOMES,
  AUDIT_TEXT,
  auditLink,
  decodeCursor,
  DEFAULT_TENANT,
  encodeCursor,
  isUuid,
  TENANT_ID,
} from '@batuta/contracts';
import type { AuditEntry, ListAuditReply, ListAuditRequest, NewAuditEntry, Principal } from '@batuta/contracts';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { invalidField, refuse } from '../access/refusals.js';
import { findable, intField, pageSize, textField } from '../access/requests.js';
import { ConfigRows } from '../database/data-source.js';
import { KNOWN_ENTRIES, LOCK_HEADS, selectEntries, STORE_ENTRIES } from './sql.js';

const DEFAULT_PAGE = 50;
const LIST = 'audit';
const CHAIN = 'audit-chain';

/** Runs statements in one transaction. */
export interface Statements {
  query<Row>(text: string, values: unknown[]): Promise<Row[]>;
}

/** The statements of a transaction of the ORM. */
export function statementsOf(manager: EntityManager): Statements {
  return { query: (text, values) => manager.query(text, values) };
}

interface Head {
  readonly tenant_id: string;
  readonly seq: number;
  readonly link: string;
}

/**
 * Appends entries to their tenants' chains, in the caller's transaction. Skips entries that are stored already. Returns
 * how many were stored.
 */
export async function appendAudit(sql: Statements, entries: readonly NewAuditEntry[]): Promise<number> {
  const tenants = [...new Set(entries.map(({ tenantId }) => tenantId))].toSorted();
  const heads = new Map<string, { seq: number; link: string }>();
  for (const { tenant_id, seq, link } of await sql.query<Head>(LOCK_HEADS, [tenants])) {
    heads.set(tenant_id, { seq, link });
  }
  const ids = entries.map(({ id }) => id);
  const known = new Set((await sql.query<{ id: string }>(KNOWN_ENTRIES, [tenants, ids])).map(({ id }) => id));
  const linked: AuditEntry[] = [];
  for (const entry of entries) {
    const head = heads.get(entry.tenantId);
    if (head === undefined || known.has(entry.id)) continue;
    known.add(entry.id);
    const placed = { ...entry, seq: head.seq + 1 };
    const link = auditLink(head.link, placed);
    heads.set(entry.tenantId, { seq: placed.seq, link });
    linked.push({ ...placed, link });
  }
  if (linked.length === 0) return 0;
  const moved = [...heads].map(([tenantId, head]) => ({ tenantId, ...head }));
  await sql.query(STORE_ENTRIES, [JSON.stringify(linked), JSON.stringify(moved)]);
  return linked.length;
}

/** Records who has changed or was refused what. Services append entries after their answers, and admins read them. */
@Injectable()
export class AuditLog {
  readonly #rows: ConfigRows;

  constructor(rows: ConfigRows) {
    this.#rows = rows;
  }

  /** @throws TypeError for a malformed entry, because only services send entries. */
  append(entries: readonly NewAuditEntry[] = []): Promise<number> {
    if (entries.length === 0) return Promise.resolve(0);
    if (entries.length > AUDIT_BATCH || !entries.every(isEntry)) throw new TypeError('these are no audit entries');
    const storable = entries.map(withStorableTexts);
    return this.#rows.everybody.transaction((manager) => appendAudit(statementsOf(manager), storable));
  }

  /** A page of one tenant's log. Admins see their own tenant's log. Admins of the platform's tenant see every log. */
  async list(principal: Principal, request: Omit<ListAuditRequest, 'principal'>): Promise<ListAuditReply> {
    const tenantId = textField(request.tenantId) === '' ? principal.tenantId : textField(request.tenantId);
    if (tenantId !== principal.tenantId && principal.tenantId !== DEFAULT_TENANT) {
      const others = refuse(
        'forbidden',
        `Only an admin of the tenant "${DEFAULT_TENANT}" reads logs of other tenants.`,
      );
      return { entries: [], ...others };
    }
    if (!TENANT_ID.test(tenantId)) return { entries: [] };
    const texts: Record<'userId' | 'keyId' | 'action' | 'resource' | 'outcome' | 'executionId', string> = {
      userId: '',
      keyId: '',
      action: '',
      resource: '',
      outcome: '',
      executionId: '',
    };
    for (const name of Object.keys(texts) as (keyof typeof texts)[]) {
      if (textField(request[name]) === '') continue;
      const text = findable(request[name]);
      // A text that cannot be stored matches no entry.
      if (text === undefined) return { entries: [] };
      texts[name] = text;
    }
    const { oldestFirst = false } = request;
    const cursor = textField(request.cursor);
    const after = cursor === '' ? undefined : decodeCursor(oldestFirst ? CHAIN : LIST, cursor);
    const isPlace = (text: string): boolean => (oldestFirst ? /^\d{1,15}$/.test(text) : isUuid(text));
    if (cursor !== '' && (after === undefined || !isPlace(after))) {
      return { entries: [], ...invalidField('/cursor', 'bad_cursor', 'is not a cursor of this list') };
    }
    const limit = pageSize(request.limit, DEFAULT_PAGE, AUDIT_BATCH);
    const { text, values } = selectEntries({
      ...texts,
      tenantId,
      from: intField(request.from),
      before: intField(request.before),
      after,
      oldestFirst,
      limit,
    });
    const rows = await this.#rows.of(tenantId).query<AuditEntry[]>(text, values);
    const entries = rows.slice(0, limit);
    const last = rows.length > limit ? entries.at(-1) : undefined;
    if (last === undefined) return { entries };
    return { entries, nextCursor: oldestFirst ? encodeCursor(CHAIN, String(last.seq)) : encodeCursor(LIST, last.id) };
  }
}

function isEntry(entry: unknown): boolean {
  const { id, tenantId, at, outcome, action, resource, channel } = entry as Partial<Record<keyof AuditEntry, unknown>>;
  return (
    isUuid(textField(id)) &&
    TENANT_ID.test(textField(tenantId)) &&
    Number.isSafeInteger(at) &&
    (AUDIT_OUTCOMES as readonly unknown[]).includes(outcome) &&
    [action, resource, channel].every((text) => typeof text === 'string')
  );
}

/** Replaces text that PostgreSQL cannot store, so that one entry cannot block the others of its batch. */
function withStorableTexts(entry: NewAuditEntry): NewAuditEntry {
  const texts = Object.entries(entry).map(([name, value]) => [
    name,
    typeof value === 'string' ? value.toWellFormed().replaceAll('\0', '').slice(0, AUDIT_TEXT) : value,
  ]);
  return Object.fromEntries(texts) as NewAuditEntry;
}

import {
  decodeCursor,
  DEFAULT_TENANT,
  encodeCursor,
  etagOf,
  limitReached,
  preconditionRefusal,
  TENANT_ID,
  TENANT_LIMIT_NAMES,
  TENANT_LIMITS,
  tenantLimitsOf,
  objectOf,
  RULE,
} from '@batuta/contracts';
import type {
  DocumentSchema,
  TenantLimitName,
  ListTenantsReply,
  Preconditions,
  Principal,
  TenantLimits,
  TenantLimitsReply,
  TenantTermsReply,
} from '@batuta/contracts';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ConfigRows } from '../database/data-source.js';
import { invalid, invalidField, refuse, RefusedError } from '../access/refusals.js';
import type { Refused } from '../access/refusals.js';
import { pageSize, textField } from '../access/requests.js';
import { Changes } from '../changes.js';
import { Report, documentCheck, guardJson, isRecord } from '@batuta/documents';
import { visibleTo } from './visible-tenant.js';

const DEFAULT_PAGE = 50;
const MAX_PAGE = 200;
const NOT_FOUND = refuse('not_found', 'There is no such tenant.');

/** What holds for tenants that have no limits of their own. */
export const DEFAULT_LIMITS = Symbol('default limits');

/** 0, or a number in the limit's range. */
const limitSchema = ({ min, max, whole, description }: (typeof TENANT_LIMITS)[TenantLimitName]): DocumentSchema => ({
  description,
  type: whole ? 'integer' : 'number',
  anyOf: [{ const: 0 }, { minimum: min, maximum: max }],
  [RULE]: (value) =>
    value === 0 || (Number(value) >= min && Number(value) <= max)
      ? undefined
      : { code: 'out_of_range', message: `must be from ${min} to ${max}` },
});
const bodyShape = documentCheck(
  objectOf(
    'The limits of a tenant.',
    Object.fromEntries(TENANT_LIMIT_NAMES.map((name) => [name, limitSchema(TENANT_LIMITS[name])])),
  ),
);

interface TenantRow {
  readonly id: string;
  readonly created_at: Date;
  readonly limits: TenantLimits;
  readonly revision: number;
}

const ROW = 'id, created_at, limits, revision';

const BYTES_OF_DOCUMENTS = `
  SELECT (SELECT coalesce(sum(content_bytes), 0) FROM config.knowledge_documents WHERE tenant_id = $1)::float8
    + (SELECT coalesce(sum(v.definition_bytes), 0) FROM config.orchestration_configs c
       JOIN config.orchestration_config_versions v ON v.config_id = c.id WHERE c.tenant_id = $1)::float8
    AS bytes`;

/** Tenants, and what each may use. */
@Injectable()
export class TenantLimitsRegistry {
  readonly #rows: ConfigRows;
  readonly #changes: Changes;
  readonly #defaults: TenantLimits;

  constructor(rows: ConfigRows, changes: Changes, @Inject(DEFAULT_LIMITS) defaults: TenantLimits) {
    this.#rows = rows;
    this.#changes = changes;
    this.#defaults = defaults;
  }

  /** A page of all tenants, by id; only for admins of the platform's own. */
  async list(principal: Principal, request: { limit: unknown; cursor: unknown }): Promise<ListTenantsReply> {
    const denied = ofPlatform(principal);
    if (denied !== undefined) return { tenants: [], ...denied };
    const cursor = textField(request.cursor);
    const after = cursor === '' ? '' : decodeCursor('tenants', cursor);
    if (after === undefined || (cursor !== '' && !TENANT_ID.test(after))) {
      return { tenants: [], ...invalidField('/cursor', 'bad_cursor', 'is not a cursor of this list') };
    }
    const limit = pageSize(request.limit, DEFAULT_PAGE, MAX_PAGE);
    const rows = await this.#rows.everybody.query<TenantRow[]>(
      `SELECT ${ROW} FROM config.tenants WHERE id > $1 ORDER BY id LIMIT $2`,
      [after, limit + 1],
    );
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return {
      tenants: page.map(({ id, created_at, revision }) => ({ id, createdAt: created_at.getTime(), revision })),
      ...(last !== undefined && rows.length > limit ? { nextCursor: encodeCursor('tenants', last.id) } : {}),
    };
  }

  async get(principal: Principal, tenantId: unknown): Promise<TenantLimitsReply> {
    const id = visibleTo(principal, tenantId);
    const [row] =
      id === undefined
        ? []
        : await this.#rows.of(id).query<TenantRow[]>(`SELECT ${ROW} FROM config.tenants WHERE id = $1`, [id]);
    if (row === undefined) return NOT_FOUND;
    const [{ bytes } = { bytes: 0 }] = await this.#rows
      .of(row.id)
      .query<{ bytes: number }[]>(BYTES_OF_DOCUMENTS, [row.id]);
    return { ...this.#replyOf(row), documentBytesUsed: bytes };
  }

  /** Sets all limits of a tenant; those that are left out are the platform's default again. */
  async put(
    principal: Principal,
    tenantId: unknown,
    body: unknown,
    preconditions?: Preconditions,
  ): Promise<TenantLimitsReply> {
    const denied = ofPlatform(principal);
    if (denied !== undefined) return denied;
    const id = visibleTo(principal, tenantId);
    if (id === undefined) return NOT_FOUND;
    const report = new Report();
    guardJson(body, report);
    bodyShape(body, '', report);
    if (report.total > 0) return invalid('The limits', report.violations, report.total);
    const limits = isRecord(body) ? tenantLimitsOf(body) : undefined;
    if (limits === undefined) return invalidField('', 'invalid', 'must be limits of a tenant');
    const reply = await this.#rows.of(id).transaction(async (manager): Promise<TenantLimitsReply> => {
      const before = await lockedTenant(manager, id);
      if (before === undefined) return NOT_FOUND;
      const refused = preconditionRefusal(preconditions, { etag: tagOf(before) });
      if (refused !== undefined) return { refused };
      // Through the mapper an UPDATE with RETURNING answers the rows and their number.
      await manager.query('UPDATE config.tenants SET limits = $2, revision = revision + 1 WHERE id = $1', [
        id,
        JSON.stringify(limits),
      ]);
      const [{ bytes } = { bytes: 0 }] = await manager.query<{ bytes: number }[]>(BYTES_OF_DOCUMENTS, [id]);
      return { ...this.#replyOf({ ...before, limits, revision: before.revision + 1 }), documentBytesUsed: bytes };
    });
    if (reply.refused === undefined) this.#changes.announce({ kind: 'tenant', tenantId: id, id });
    return reply;
  }

  async terms(): Promise<TenantTermsReply> {
    const rows = await this.#rows.everybody.query<TenantRow[]>(
      `SELECT ${ROW} FROM config.tenants WHERE limits <> '{}'::jsonb`,
    );
    return {
      defaults: this.#defaults,
      tenants: Object.fromEntries(rows.map(({ id, limits }) => [id, { ...this.#defaults, ...limits }])),
    };
  }

  /**
   * Refuses what would bring a tenant's documents past their limit, in the transaction that adds them. Two at once follow each
   * other. @throws RefusedError
   */
  async requireRoom(manager: EntityManager, tenantId: string, bytes: number): Promise<void> {
    const [row] = await manager.query<TenantRow[]>(`SELECT ${ROW} FROM config.tenants WHERE id = $1`, [tenantId]);
    const { documentBytes: most = 0 } = { ...this.#defaults, ...row?.limits };
    if (most === 0 || bytes <= 0) return;
    await lockedTenant(manager, tenantId);
    const [{ bytes: used } = { bytes: 0 }] = await manager.query<{ bytes: number }[]>(BYTES_OF_DOCUMENTS, [tenantId]);
    if (used + bytes <= most) return;
    const reason = `The tenant may keep ${most} bytes of documents and configs; it has ${used}, and this adds ${bytes}.`;
    throw new RefusedError({ refused: limitReached('document_bytes', most, reason) });
  }

  #replyOf(row: TenantRow): TenantLimitsReply {
    return { tenantId: row.id, own: row.limits, limits: { ...this.#defaults, ...row.limits }, etag: tagOf(row) };
  }
}

const tagOf = ({ id, revision }: TenantRow): string => etagOf({ id, revision });

function ofPlatform({ tenantId }: Principal): Refused | undefined {
  if (tenantId === DEFAULT_TENANT) return undefined;
  return refuse('forbidden', `Only an admin of the tenant "${DEFAULT_TENANT}" may do this.`);
}

async function lockedTenant(manager: EntityManager, tenantId: string): Promise<TenantRow | undefined> {
  const [row] = await manager.query<TenantRow[]>(`SELECT ${ROW} FROM config.tenants WHERE id = $1 FOR UPDATE`, [
    tenantId,
  ]);
  return row;
}

import {
  decodeCursor,
  encodeCursor,
  etagOf,
  newId,
  preconditionRefusal,
  SECRET_LIMITS,
  TOKEN,
  objectOf,
  TOKEN_SCHEMA,
} from '@batuta/contracts';
import type {
  KnownSecretsReply,
  ListSecretsReply,
  Preconditions,
  Principal,
  ResolveSecretsReply,
  SecretInfo,
  SecretReply,
} from '@batuta/contracts';
import { SecretCipherError } from '@batuta/service';
import { Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ConfigRows } from '../database/data-source.js';
import { invalid, invalidField, refuse } from '../access/refusals.js';
import type { Refused } from '../access/refusals.js';
import { findable, pageSize, textField } from '../access/requests.js';
import { Report, Suggestions, documentCheck, guardJson, isRecord } from '@batuta/documents';
import { SecretUses } from './secret-uses.js';
import type { SecretUse } from './secret-uses.js';
import { SecretVault } from './secret-vault.js';

const DEFAULT_PAGE = 50;
const MAX_PAGE = 200;
/** How many secrets one request may name. */
const MAX_NAMES = 200;
/** How many secrets one statement encrypts again. */
const RENEWED_AT_ONCE = 200;

const token = documentCheck(TOKEN_SCHEMA);
const bodyShape = documentCheck(
  objectOf(
    'The description of a secret.',
    {
      value: { type: 'string', minLength: SECRET_LIMITS.least, maxLength: SECRET_LIMITS.most },
      description: { type: 'string', maxLength: SECRET_LIMITS.description },
    },
    ['value'],
  ),
);

const SHOWN = 'tenant_id, name, id, version, description, created_at, updated_at, updated_by, last_used_at';

interface ShownRow {
  readonly tenant_id: string;
  readonly name: string;
  readonly id: string;
  readonly version: number;
  readonly description: string;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly updated_by: string;
  readonly last_used_at: Date | null;
}

interface SealedRow {
  readonly tenant_id: string;
  readonly name: string;
  readonly id: string;
  readonly version: number;
  readonly wrapped_key: string;
  readonly sealed: string;
}

/** The named secrets of each tenant. Only runners and deliveries get their values. */
@Injectable()
export class Secrets {
  readonly #rows: ConfigRows;
  readonly #vault: SecretVault;
  readonly #logger = new Logger('Secrets');

  readonly #uses: SecretUses;

  constructor(rows: ConfigRows, vault: SecretVault, uses: SecretUses) {
    this.#uses = uses;
    this.#rows = rows;
    this.#vault = vault;
  }

  /** Makes a secret or gives it a new value. Each change raises its version by one. */
  async put(principal: Principal, name: unknown, body: unknown, preconditions?: Preconditions): Promise<SecretReply> {
    if (!this.#vault.enabled) return noKey();
    const secret = textField(name);
    const report = new Report();
    token(secret, '/name', report);
    guardJson(body, report);
    bodyShape(body, '', report);
    if (isRecord(body) && typeof body['value'] === 'string' && body['value'].trim().length < SECRET_LIMITS.least) {
      if (report.total === 0) {
        report.add('/value', 'too_short', `must have at least ${SECRET_LIMITS.least} characters between its spaces`);
      }
    }
    if (report.total > 0) return invalid('The secret', report.violations, report.total);
    const { value, description = '' } = bodyShape.withoutNulls(body) as { value: string; description?: string };
    const { tenantId, userId } = principal;
    return this.#rows.of(tenantId).transaction(async (manager): Promise<SecretReply> => {
      // Counted under a lock of the tenant, so that two concurrent requests cannot exceed the limit.
      await manager.query('SELECT id FROM config.tenants WHERE id = $1 FOR UPDATE', [tenantId]);
      const before = await lockedRow(manager, tenantId, secret);
      const refused = preconditionRefusal(preconditions, before === undefined ? undefined : tagged(before));
      if (refused !== undefined) return { refused };
      if (before === undefined) {
        const [{ count } = { count: 0 }] = await manager.query<{ count: number }[]>(
          'SELECT count(*)::int AS count FROM config.secrets WHERE tenant_id = $1',
          [tenantId],
        );
        if (count >= SECRET_LIMITS.ofTenant) {
          return refuse('conflict', `A tenant may have at most ${SECRET_LIMITS.ofTenant} secrets.`);
        }
      }
      const id = before?.id ?? newId();
      const version = (before?.version ?? 0) + 1;
      const { wrappedKey, sealed } = this.#vault.seal(value, { tenantId, name: secret, id, version });
      const [row] = await manager.query<ShownRow[]>(
        `INSERT INTO config.secrets (tenant_id, name, id, version, description, wrapped_key, sealed, updated_by)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
           ON CONFLICT (tenant_id, name) DO UPDATE SET version = excluded.version, description = excluded.description,
             wrapped_key = excluded.wrapped_key, sealed = excluded.sealed, updated_by = excluded.updated_by,
             updated_at = now()
           RETURNING ${SHOWN}`,
        [tenantId, secret, id, version, description, wrappedKey, sealed, userId],
      );
      if (row === undefined) throw new Error('the secret that was stored is not there');
      return { ...replyOf(row), ...(before === undefined ? { created: true } : {}) };
    });
  }

  async get(principal: Principal, name: unknown): Promise<SecretReply> {
    const [row] = await this.#rows
      .of(principal.tenantId)
      .query<ShownRow[]>(`SELECT ${SHOWN} FROM config.secrets WHERE tenant_id = $1 AND name = $2`, [
        principal.tenantId,
        findable(name, 64) ?? '',
      ]);
    return row === undefined ? notFound() : replyOf(row);
  }

  /** A page of the tenant's secrets, by name. */
  async list(principal: Principal, request: { limit?: unknown; cursor?: unknown }): Promise<ListSecretsReply> {
    const cursor = textField(request.cursor);
    const after = cursor === '' ? '' : decodeCursor('secrets', cursor);
    if (after === undefined || (after !== '' && !TOKEN.test(after))) {
      return { secrets: [], ...invalidField('/cursor', 'bad_cursor', 'is not a cursor of this list') };
    }
    const limit = pageSize(request.limit, DEFAULT_PAGE, MAX_PAGE);
    const found = await this.#rows
      .of(principal.tenantId)
      .query<ShownRow[]>(
        `SELECT ${SHOWN} FROM config.secrets WHERE tenant_id = $1 AND name > $2 ORDER BY name LIMIT $3`,
        [principal.tenantId, after, limit + 1],
      );
    const page = found.slice(0, limit);
    const last = page.at(-1);
    return {
      secrets: page.map(toView),
      ...(last !== undefined && found.length > limit ? { nextCursor: encodeCursor('secrets', last.name) } : {}),
    };
  }

  /** Deletes a secret and its value. Later uses of a reference to it fail with `secret_missing`. */
  async delete(principal: Principal, name: unknown, preconditions?: Preconditions): Promise<SecretReply> {
    const { tenantId } = principal;
    const secret = findable(name, 64) ?? '';
    return this.#rows.of(tenantId).transaction(async (manager): Promise<SecretReply> => {
      const found = await lockedRow(manager, tenantId, secret);
      if (found === undefined) return notFound();
      const refused = preconditionRefusal(preconditions, tagged(found));
      if (refused !== undefined) return { refused };
      await manager.query('DELETE FROM config.secrets WHERE tenant_id = $1 AND name = $2', [tenantId, secret]);
      return { secret: toView(found) };
    });
  }

  /**
   * The values of the existing ones among these secrets, after their use was recorded. Only services that use them ask,
   * for the tenant of the work.
   */
  async resolve(use: SecretUse, asked: unknown): Promise<ResolveSecretsReply> {
    const { tenantId } = use;
    const names = namesOf(asked);
    if (names === undefined) return invalidField('/names', 'invalid', `must be at most ${MAX_NAMES} names of secrets`);
    const rows = await this.#rows.of(tenantId).query<SealedRow[]>(
      `SELECT tenant_id, name, id, version, wrapped_key, sealed FROM config.secrets
       WHERE tenant_id = $1 AND name = ANY($2)`,
      [tenantId, names],
    );
    const values: [string, string][] = [];
    for (const row of rows) {
      try {
        values.push([row.name, this.#vault.open(sealedOf(row), placeOf(row))]);
      } catch (error) {
        if (!(error instanceof SecretCipherError)) throw error;
        this.#logger.error(`a secret of the tenant ${tenantId} cannot be read: ${error.message}`);
        return refuse('unavailable', 'A secret is stored under a key that the platform does not have now.');
      }
    }
    const tags = new Map(rows.map((row) => [row.name, tagged(row).etag]));
    await this.#uses.record(
      use,
      names.map((name) => ({ name, etag: tags.get(name) })),
    );
    if (rows.length > 0) {
      // Rounded to the minute: otherwise each attempt would write the same row, and all of them would wait for it.
      await this.#rows.of(tenantId).query(
        `UPDATE config.secrets SET last_used_at = now() WHERE tenant_id = $1 AND name = ANY($2)
           AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`,
        [tenantId, rows.map(({ name }) => name)],
      );
    }
    return { values: Object.fromEntries(values) };
  }

  /** Which of these secrets a tenant has, and for each missing one a similar name. */
  async known(tenantId: string, asked: readonly string[]): Promise<Required<KnownSecretsReply>> {
    const names = asked.filter((name) => TOKEN.test(name));
    if (names.length === 0) return { known: [], meant: {} };
    const rows = await this.#rows
      .of(tenantId)
      .query<{ name: string }[]>('SELECT name FROM config.secrets WHERE tenant_id = $1 LIMIT $2', [
        tenantId,
        SECRET_LIMITS.ofTenant,
      ]);
    const all = rows.map(({ name }) => name);
    const there = new Set(all);
    const suggestions = new Suggestions();
    const meant = names.flatMap((name): [string, string][] => {
      const near = there.has(name) ? undefined : suggestions.nearest(name, all);
      return near === undefined ? [] : [[name, near]];
    });
    return { known: names.filter((name) => there.has(name)), meant: Object.fromEntries(meant) };
  }

  /** How many are not under the newest key. */
  async outdated(): Promise<number> {
    const [row] = await this.#rows.everybody.query<{ count: number }[]>(
      'SELECT count(*)::int AS count FROM config.secrets WHERE $1::text IS NULL OR NOT starts_with(wrapped_key, $1)',
      [this.#vault.currentPrefix ?? null],
    );
    return row?.count ?? 0;
  }

  /**
   * Encrypts values under an older key with the newest key, each with a new data key. `unreadable` counts the values
   * that no configured key can read; these stay unchanged. Several replicas may do this at once.
   */
  async renew(): Promise<{ readonly renewed: number; readonly unreadable: number }> {
    const count = { renewed: 0, unreadable: 0 };
    if (!this.#vault.enabled) {
      const [row] = await this.#rows.everybody.query<{ count: number }[]>(
        'SELECT count(*)::int AS count FROM config.secrets',
      );
      return { renewed: 0, unreadable: row?.count ?? 0 };
    }
    for (let after: readonly [string, string] = ['', '']; ;) {
      const rows = await this.#rows.everybody.query<SealedRow[]>(
        `SELECT tenant_id, name, id, version, wrapped_key, sealed FROM config.secrets
         WHERE (tenant_id, name) > ($1, $2) ORDER BY tenant_id, name LIMIT $3`,
        [...after, RENEWED_AT_ONCE],
      );
      const last = rows.at(-1);
      if (last === undefined) return count;
      after = [last.tenant_id, last.name];
      for (const row of rows) {
        if (this.#vault.isCurrent(sealedOf(row))) continue;
        try {
          const place = placeOf(row);
          const fresh = this.#vault.seal(this.#vault.open(sealedOf(row), place), place);
          const [, changed] = await this.#rows.everybody.query<[unknown, number]>(
            `UPDATE config.secrets SET wrapped_key = $4, sealed = $5
             WHERE tenant_id = $1 AND name = $2 AND wrapped_key = $3`,
            [row.tenant_id, row.name, row.wrapped_key, fresh.wrappedKey, fresh.sealed],
          );
          count.renewed += changed;
        } catch (error) {
          if (!(error instanceof SecretCipherError)) throw error;
          count.unreadable += 1;
        }
      }
    }
  }
}

function namesOf(asked: unknown): string[] | undefined {
  if (!Array.isArray(asked) || asked.length > MAX_NAMES) return undefined;
  const names = asked as unknown[];
  return names.every((name): name is string => typeof name === 'string' && TOKEN.test(name)) ? names : undefined;
}

async function lockedRow(manager: EntityManager, tenantId: string, name: string): Promise<ShownRow | undefined> {
  const [row] = await manager.query<ShownRow[]>(
    `SELECT ${SHOWN} FROM config.secrets WHERE tenant_id = $1 AND name = $2 FOR UPDATE`,
    [tenantId, name],
  );
  return row;
}

const notFound = (): Refused => refuse('not_found', 'There is no such secret.');

const noKey = (): Refused =>
  refuse('not_applicable', 'The platform has no key for secrets (BATUTA_SECRETS_KEYS), so it cannot store any.');

const sealedOf = ({ wrapped_key: wrappedKey, sealed }: SealedRow) => ({ wrappedKey, sealed });
const placeOf = ({ tenant_id: tenantId, name, id, version }: SealedRow) => ({ tenantId, name, id, version });

function toView(row: ShownRow): SecretInfo {
  return {
    name: row.name,
    version: row.version,
    description: row.description,
    createdAt: row.created_at.getTime(),
    updatedAt: row.updated_at.getTime(),
    updatedBy: row.updated_by,
    ...(row.last_used_at === null ? {} : { lastUsedAt: row.last_used_at.getTime() }),
  };
}

/** Computed from the fields that a user can change: using a secret does not change its tag. */
const tagged = (row: Pick<ShownRow, 'id' | 'version'>): { etag: string; version: number } => ({
  etag: etagOf([row.id, row.version], row.version),
  version: row.version,
});

const replyOf = (row: ShownRow): SecretReply => ({ secret: toView(row), etag: tagged(row).etag });

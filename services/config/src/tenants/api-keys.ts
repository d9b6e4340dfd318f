import {
  decodeCursor,
  encodeCursor,
  DEFAULT_TENANT,
  etagOf,
  LATEST_TIME_MS,
  nameMistake,
  newId,
  preconditionRefusal,
  ROLES,
  TENANT_ID,
  isUuid,
  nameSchema,
} from '@batuta/contracts';
import type {
  ApiKey,
  ApiKeyReply,
  AuthenticateReply,
  CreateApiKeyReply,
  Idempotency,
  ListApiKeysReply,
  Preconditions,
  Principal,
  Role,
} from '@batuta/contracts';
import { IdempotencyKeys } from '@batuta/service';
import { Injectable } from '@nestjs/common';
import { LessThan } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { ConfigRows } from '../database/data-source.js';
import { invalid, invalidField, refuse } from '../access/refusals.js';
import { findable, pageSize, textField } from '../access/requests.js';
import { Changes } from '../changes.js';
import { Report, documentCheck, guardJson } from '@batuta/documents';
import { ApiKeyEntity } from './api-key.entity.js';
import { generateKey, hashKey, prefixOf } from './key-secret.js';

const NOT_FOUND = refuse('not_found', 'There is no such API key.');
const DEFAULT_PAGE = 50;
const MAX_PAGE = 200;
const SHA_256 = /^[0-9a-f]{64}$/;

const userShape = documentCheck(nameSchema(255));
const keyNameShape = documentCheck(nameSchema(255));
const roleShape = documentCheck({ type: 'string', enum: ROLES });

interface NewKey {
  readonly tenantId: string;
  readonly userId: string;
  readonly role: Role;
  readonly name: string;
  readonly createdBy: string;
  readonly expiresAt: Date | null;
}

/** Stores a new key and gives its secret, which nobody can read again. Makes the tenant when it is new. */
export async function insertKey(manager: EntityManager, key: NewKey): Promise<{ key: ApiKeyEntity; secret: string }> {
  await manager.query('INSERT INTO config.tenants (id) VALUES ($1) ON CONFLICT DO NOTHING', [key.tenantId]);
  const secret = generateKey();
  const entity = manager.create(ApiKeyEntity, {
    ...key,
    id: newId(),
    keyHash: hashKey(secret),
    prefix: prefixOf(secret),
    revokedAt: null,
  });
  await manager.insert(ApiKeyEntity, entity);
  return { key: entity, secret };
}

/** API keys: who a key stands for, and the keys of a tenant. */
@Injectable()
export class ApiKeys {
  readonly #rows: ConfigRows;
  readonly #changes: Changes;
  readonly #idempotencyKeys: IdempotencyKeys;

  constructor(rows: ConfigRows, changes: Changes, idempotencyKeys: IdempotencyKeys) {
    this.#rows = rows;
    this.#changes = changes;
    this.#idempotencyKeys = idempotencyKeys;
  }

  /** The principal of a key by its SHA-256 (hex); none when it is unknown, expired or revoked. */
  async authenticate(keyHash: unknown): Promise<AuthenticateReply> {
    const hash = textField(keyHash).toLowerCase();
    if (!SHA_256.test(hash)) return {};
    // Whose it is, is what is asked.
    const key = await this.#rows.everybody.manager
      .createQueryBuilder(ApiKeyEntity, 'key')
      .where('key.keyHash = :hash AND key.revokedAt IS NULL', { hash })
      .andWhere('(key.expiresAt IS NULL OR key.expiresAt > now())')
      .getOne();
    if (key === null) return {};
    return {
      principal: { tenantId: key.tenantId, userId: key.userId, role: key.role, keyId: key.id },
      expiresAt: key.expiresAt?.getTime() ?? 0,
    };
  }

  async create(
    principal: Principal,
    request: {
      userId: unknown;
      role: unknown;
      name?: unknown;
      expiresAt?: unknown;
      tenantId?: unknown;
      idempotency?: Idempotency | undefined;
    },
  ): Promise<CreateApiKeyReply> {
    const { userId, role, expiresAt = 0, idempotency } = request;
    const keyName = request.name ?? '';
    const keys = this.#idempotencyKeys;
    const earlier = await keys.earlier<CreateApiKeyReply>(
      this.#rows.of(principal.tenantId),
      principal.tenantId,
      idempotency,
    );
    if (earlier !== undefined) return earlier;
    const report = new Report();
    guardJson({ user_id: userId, name: keyName }, report);
    userShape(userId, '/user_id', report);
    roleShape(role, '/role', report);
    if (keyName !== '') keyNameShape(keyName, '/name', report);
    if (
      typeof expiresAt !== 'number' ||
      (expiresAt !== 0 && !(expiresAt > Date.now() && expiresAt <= LATEST_TIME_MS))
    ) {
      report.add('/expires_at', 'out_of_range', 'must be a time in the future');
    }
    const tenantId = textField(request.tenantId) || principal.tenantId;
    const tenantMistake = nameMistake(tenantId);
    if (!TENANT_ID.test(tenantId)) {
      report.add('/tenant_id', 'bad_format', 'must be 1 to 40 lower-case letters, digits or "-"');
    } else if (tenantMistake !== undefined) {
      report.add('/tenant_id', tenantMistake.code, tenantMistake.message);
    }
    if (report.total > 0) return invalid('The API key', report.violations, report.total);
    if (tenantId !== principal.tenantId && principal.tenantId !== DEFAULT_TENANT) {
      return refuse('forbidden', `Only an admin of the tenant "${DEFAULT_TENANT}" may create keys of other tenants.`);
    }
    // Of another tenant only for an admin of the platform.
    const rows = tenantId === principal.tenantId ? this.#rows.of(tenantId) : this.#rows.everybody;
    return rows.transaction((manager) =>
      keys.once<CreateApiKeyReply>(
        manager,
        principal.tenantId,
        idempotency,
        async () => {
          const made = await insertKey(manager, {
            tenantId,
            userId: userId as string,
            role: role as Role,
            name: keyName as string,
            createdBy: `${principal.tenantId}/${principal.userId}`,
            expiresAt: expiresAt === 0 ? null : new Date(expiresAt as number),
          });
          return { ...replyOf(made.key), secret: made.secret };
        },
        ({ secret: _shownOnce, ...kept }) => kept,
      ),
    );
  }

  /** A page of the tenant's keys, newest first, revoked ones too. */
  async list(principal: Principal, request: { limit?: unknown; cursor?: unknown }): Promise<ListApiKeysReply> {
    const cursor = textField(request.cursor);
    const after = cursor === '' ? undefined : decodeCursor('api-keys', cursor);
    if (cursor !== '' && (after === undefined || !isUuid(after))) {
      return { keys: [], ...invalidField('/cursor', 'bad_cursor', 'is not a cursor of this list') };
    }
    const limit = pageSize(request.limit, DEFAULT_PAGE, MAX_PAGE);
    const found = await this.#rows.of(principal.tenantId).manager.find(ApiKeyEntity, {
      where: { tenantId: principal.tenantId, ...(after === undefined ? {} : { id: LessThan(after) }) },
      order: { id: 'DESC' },
      take: limit + 1,
    });
    const keys = found.slice(0, limit);
    const last = keys.at(-1);
    return {
      keys: keys.map(toApiKey),
      ...(last !== undefined && found.length > limit ? { nextCursor: encodeCursor('api-keys', last.id) } : {}),
    };
  }

  /** One of the tenant's keys, also a revoked one, without the key itself. */
  async get(principal: Principal, id: unknown): Promise<ApiKeyReply> {
    const keyId = findable(id, 36);
    if (keyId === undefined || !isUuid(keyId)) return NOT_FOUND;
    const found = await this.#rowsOf(principal).manager.findOneBy(ApiKeyEntity, whereOf(principal, keyId));
    return found === null ? NOT_FOUND : replyOf(found);
  }

  /** The rows in which a principal may look for keys: its tenant's, and the platform's own tenant everybody's. */
  #rowsOf({ tenantId }: Principal) {
    return tenantId === DEFAULT_TENANT ? this.#rows.everybody : this.#rows.of(tenantId);
  }

  /** Revokes a key for good; once more changes nothing. */
  async revoke(principal: Principal, id: unknown, preconditions?: Preconditions): Promise<ApiKeyReply> {
    const keyId = findable(id, 36);
    if (keyId === undefined || !isUuid(keyId)) return NOT_FOUND;
    const where = whereOf(principal, keyId);
    const reply = await this.#rowsOf(principal).transaction(async (manager): Promise<ApiKeyReply> => {
      const found = await manager.findOne(ApiKeyEntity, { where, lock: { mode: 'pessimistic_write' } });
      if (found === null) return NOT_FOUND;
      const refused = preconditionRefusal(preconditions, { etag: etagOf(toApiKey(found)) });
      if (refused !== undefined) return { refused };
      await manager.query('UPDATE config.api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1', [
        found.id,
      ]);
      return replyOf(await manager.findOneByOrFail(ApiKeyEntity, where));
    });
    if (reply.key !== undefined) {
      this.#changes.announce({ kind: 'key', tenantId: reply.key.tenantId, id: reply.key.id });
    }
    return reply;
  }
}

/** Whose keys a principal may look at and revoke: its tenant's, and the platform's own tenant those that it may make for others. */
const whereOf = ({ tenantId }: Principal, id: string): { id: string; tenantId?: string } =>
  tenantId === DEFAULT_TENANT ? { id } : { id, tenantId };

const replyOf = (key: ApiKeyEntity): ApiKeyReply => {
  const shown = toApiKey(key);
  return { key: shown, etag: etagOf(shown) };
};

function toApiKey(key: ApiKeyEntity): ApiKey {
  return {
    id: key.id,
    tenantId: key.tenantId,
    userId: key.userId,
    role: key.role,
    name: key.name,
    prefix: key.prefix,
    createdAt: key.createdAt.getTime(),
    ...(key.expiresAt === null ? {} : { expiresAt: key.expiresAt.getTime() }),
    ...(key.revokedAt === null ? {} : { revokedAt: key.revokedAt.getTime() }),
  };
}

import {
  DEFAULT_TENANT,
  LATEST_TIME_MS,
  TOKEN,
  decodeCursor,
  encodeCursor,
  etagOf,
  newId,
  preconditionRefusal,
  isUuid,
  nameSchema,
} from '@batuta/contracts';
import type {
  CreatePoolCredentialsReply,
  ListPoolCredentialsReply,
  PoolCredentials as PoolCredentialsView,
  PoolCredentialsReply,
  Preconditions,
  Principal,
} from '@batuta/contracts';
import { seeingEverybody } from '@batuta/service';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { LessThan } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { ConfigRows } from '../database/data-source.js';
import { RefusedError, invalid, invalidField, refuse } from '../access/refusals.js';
import type { Refused } from '../access/refusals.js';
import { findable, pageSize, textField } from '../access/requests.js';
import { PoolClaims } from '../agents/pool-claims.js';
import { Report, documentCheck, guardJson } from '@batuta/documents';
import { PoolCredentialsEntity } from './pool-credentials.entity.js';
import { WORKER_USERS } from './worker-users.js';
import type { WorkerUsers } from './worker-users.js';

const DEFAULT_PAGE = 50;
const MAX_PAGE = 200;
const NOT_FOUND = refuse('not_found', 'There are no such credentials.');
const DEFAULT_VALID_MS = 30 * 24 * 3_600_000;
/** How many valid credentials a tenant may have. Servers must know each revoked one until it expires. */
const MAX_VALID = 1_000;
/** Key of the lock for sending revocations, so that an older list never follows a newer one. */
const REVOCATION_LOCK = 7_205_771_002;

const nameShape = documentCheck(nameSchema(255));

/** NATS credentials of workers. An admin makes them for pools that serve only the tenant's agents. */
@Injectable()
export class PoolCredentials {
  readonly #rows: ConfigRows;
  readonly #logger = new Logger('PoolCredentials');
  readonly #pools: PoolClaims;
  readonly #users: WorkerUsers | undefined;

  constructor(
    rows: ConfigRows,
    pools: PoolClaims,
    @Inject(WORKER_USERS) users: { readonly users: WorkerUsers | undefined },
  ) {
    this.#rows = rows;
    this.#pools = pools;
    this.#users = users.users;
  }

  async create(
    principal: Principal,
    request: { pool: unknown; name?: unknown; expiresAt?: unknown },
  ): Promise<CreatePoolCredentialsReply> {
    const { expiresAt = 0, name: given = '' } = request;
    const report = new Report();
    guardJson({ name: given }, report);
    if (given !== '') nameShape(given, '/name', report);
    if (
      typeof expiresAt !== 'number' ||
      (expiresAt !== 0 && !(expiresAt > Date.now() + 1_000 && expiresAt <= LATEST_TIME_MS))
    ) {
      report.add('/expires_at', 'out_of_range', 'must be a time in the future');
    }
    if (report.total > 0) return invalid('The request for credentials', report.violations, report.total);
    const pool = textField(request.pool);
    if (this.#users === undefined) return noUsers();
    const foreign = await this.#foreign(principal.tenantId, pool);
    if (foreign !== undefined) return foreign;
    const until = Math.floor((expiresAt === 0 ? Date.now() + DEFAULT_VALID_MS : (expiresAt as number)) / 1_000) * 1_000;
    const { text, publicKey } = await this.#users.issue(pool, until);
    const entity = await this.#rows.of(principal.tenantId).transaction(async (manager) => {
      // Counted under a lock of the tenant, so that two concurrent requests cannot exceed the limit.
      await manager.query('SELECT id FROM config.tenants WHERE id = $1 FOR UPDATE', [principal.tenantId]);
      const valid = await manager.query<{ count: number }[]>(
        'SELECT count(*)::int AS count FROM config.pool_credentials WHERE tenant_id = $1 AND expires_at > now()',
        [principal.tenantId],
      );
      if ((valid[0]?.count ?? 0) >= MAX_VALID) return undefined;
      const made = manager.create(PoolCredentialsEntity, {
        id: newId(),
        tenantId: principal.tenantId,
        pool,
        name: given as string,
        publicKey,
        createdBy: principal.userId,
        expiresAt: new Date(until),
        revokedAt: null,
      });
      await manager.insert(PoolCredentialsEntity, made);
      return made;
    });
    if (entity === undefined) {
      return refuse('conflict', `A tenant may have at most ${MAX_VALID} credentials that have not expired.`);
    }
    const tlsCa = await this.#users.authorities();
    return { ...replyOf(entity), file: text, ...(tlsCa === undefined ? {} : { tlsCa }) };
  }

  /** A page of the tenant's credentials of a pool, newest first, including revoked and expired ones. */
  async list(
    principal: Principal,
    request: { pool: unknown; limit?: unknown; cursor?: unknown },
  ): Promise<ListPoolCredentialsReply> {
    const cursor = textField(request.cursor);
    const after = cursor === '' ? undefined : decodeCursor('pool-credentials', cursor);
    if (cursor !== '' && (after === undefined || !isUuid(after))) {
      return { credentials: [], ...invalidField('/cursor', 'bad_cursor', 'is not a cursor of this list') };
    }
    const limit = pageSize(request.limit, DEFAULT_PAGE, MAX_PAGE);
    const pool = findable(request.pool, 64) ?? '';
    const found = await this.#rows.of(principal.tenantId).manager.find(PoolCredentialsEntity, {
      where: { tenantId: principal.tenantId, pool, ...(after === undefined ? {} : { id: LessThan(after) }) },
      order: { id: 'DESC' },
      take: limit + 1,
    });
    const credentials = found.slice(0, limit);
    const last = credentials.at(-1);
    return {
      credentials: credentials.map(toView),
      ...(last !== undefined && found.length > limit ? { nextCursor: encodeCursor('pool-credentials', last.id) } : {}),
    };
  }

  /** One of the tenant's credentials of a pool, without the file. Revoked ones are found too. */
  async get(principal: Principal, request: { pool: unknown; id: unknown }): Promise<PoolCredentialsReply> {
    const where = whereOf(principal, request);
    const { manager } = this.#rows.of(principal.tenantId);
    const found = where === undefined ? null : await manager.findOneBy(PoolCredentialsEntity, where);
    return found === null ? NOT_FOUND : replyOf(found);
  }

  /** Revokes credentials permanently and closes their connections. A repeat changes nothing. */
  async revoke(
    principal: Principal,
    request: { pool: unknown; id: unknown; preconditions?: Preconditions | undefined },
  ): Promise<PoolCredentialsReply> {
    const where = whereOf(principal, request);
    const users = this.#users;
    if (users === undefined) return noUsers();
    if (where === undefined) return NOT_FOUND;
    const work = async (manager: EntityManager): Promise<PoolCredentialsReply> => {
      await manager.query('SELECT pg_advisory_xact_lock($1)', [REVOCATION_LOCK]);
      const found = await manager.findOneBy(PoolCredentialsEntity, where);
      if (found === null) return NOT_FOUND;
      const refused = preconditionRefusal(request.preconditions, { etag: replyOf(found).etag });
      if (refused !== undefined) return { refused };
      found.revokedAt ??= new Date();
      await manager.update(PoolCredentialsEntity, where, { revokedAt: found.revokedAt });
      // The servers are told before the commit, so that a positive answer is true at the servers. If they cannot be
      // told, nothing is revoked.
      const all = await seeingEverybody(manager, () => revoked(manager));
      await users.revoke(all).catch((error: unknown) => {
        this.#logger.error(`NATS did not take the revocation of ${where.id}: ${String(error)}`);
        throw new RefusedError(refuse('unavailable', 'NATS did not take the revocation. Try again.'));
      });
      return replyOf(found);
    };
    try {
      return await this.#rows.of(principal.tenantId).transaction(work);
    } catch (error) {
      if (error instanceof RefusedError) return error.refusal;
      throw error;
    }
  }

  /** Sends the revocations to the servers again, because a server that lost its files does not know them. */
  async tellAgain(): Promise<void> {
    const users = this.#users;
    if (users === undefined) return;
    await this.#rows.everybody.transaction(async (manager) => {
      await manager.query('SELECT pg_advisory_xact_lock($1)', [REVOCATION_LOCK]);
      const all = await revoked(manager);
      if (all.size > 0 || users.hasRevokedServices) await users.revoke(all);
    });
  }

  /** Why the tenant may have no credentials of a pool. Undefined when it may. */
  async #foreign(tenantId: string, pool: string): Promise<Refused | undefined> {
    const none = refuse('not_found', 'No agent of this tenant is served by such a pool.');
    if (!TOKEN.test(pool)) return none;
    const shared = this.#pools.isShared(pool);
    const tenants = await this.#pools.tenantsOf(this.#rows.everybody, pool);
    const mine = tenants.includes(tenantId);
    if (!shared && tenants.length < 2) return mine ? undefined : none;
    if (tenantId === DEFAULT_TENANT) return undefined;
    if (!shared && !mine) return none;
    const reason = 'Workers of a pool see the tasks of all tenants that it serves.';
    return refuse(
      'forbidden',
      `${reason} Only an admin of the tenant "${DEFAULT_TENANT}" may make credentials of this one.`,
    );
  }
}

/** When each unexpired user was revoked, by public key. */
async function revoked(manager: EntityManager): Promise<Map<string, number>> {
  const rows = await manager
    .createQueryBuilder(PoolCredentialsEntity, 'one')
    .where('one.revokedAt IS NOT NULL AND one.expiresAt > now()')
    .getMany();
  return new Map(rows.map(({ publicKey, revokedAt }) => [publicKey, revokedAt?.getTime() ?? Date.now()]));
}

function noUsers(): Refused {
  const why = 'The platform has no keys for users of its NATS server (BATUTA_NATS_KEYS).';
  return refuse('not_applicable', `${why} The operator of that server makes credentials for workers.`);
}

/** The credentials that a request names. Undefined when the request cannot match any. */
function whereOf(
  { tenantId }: Principal,
  request: { pool: unknown; id: unknown },
): { id: string; pool: string; tenantId: string } | undefined {
  const id = findable(request.id, 36);
  const pool = findable(request.pool, 64);
  return id === undefined || pool === undefined || !isUuid(id) ? undefined : { id, pool, tenantId };
}

function replyOf(entity: PoolCredentialsEntity): { credentials: PoolCredentialsView; etag: string } {
  const credentials = toView(entity);
  return { credentials, etag: etagOf(credentials) };
}

function toView(entity: PoolCredentialsEntity): PoolCredentialsView {
  return {
    id: entity.id,
    pool: entity.pool,
    name: entity.name,
    createdBy: entity.createdBy,
    createdAt: entity.createdAt.getTime(),
    expiresAt: entity.expiresAt.getTime(),
    ...(entity.revokedAt === null ? {} : { revokedAt: entity.revokedAt.getTime() }),
  };
}

import { DEFAULT_TENANT, LIMITS, decodeCursor, encodeCursor, isUuid } from '@batuta/contracts';
import type {
  Config,
  ConfigReply,
  GetVersionReply,
  ListConfigsReply,
  ListVersionsReply,
  Principal,
  ResolveConfigReply,
} from '@batuta/contracts';
import type { TenantPool } from '@batuta/service';
import { Injectable } from '@nestjs/common';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import type { DataSource, SelectQueryBuilder } from 'typeorm';
import { invalidField, refuse } from '../access/refusals.js';
import { findable, intField, pageSize, textField } from '../access/requests.js';
import { ConfigRows } from '../database/data-source.js';
import { NOT_FOUND, documentOf, isVisible, tagOf, toConfig } from './config-records.js';
import { ConfigVersionEntity } from './config-version.entity.js';
import { ConfigEntity } from './config.entity.js';
import { LEASE_MS } from './lease.js';
import { PUBLISHED, RESOLVE_ID, RESOLVE_NAME, RESOLVE_VERSION } from './resolve-sql.js';
import type { ResolvedRow } from './resolve-sql.js';

/** Most bytes of documents in one answer: a message must stay below NATS' limit. */
const PAGE_BYTES = LIMITS.natsMaxPayloadBytes / 2;
const DEFAULT_PAGE = 50;
const MAX_PAGE = 200;
const MAX_VERSION = 2_147_483_647;
/** Reads configs and their versions, as a tenant sees them. */
@Injectable()
export class ConfigReads {
  readonly #rows: ConfigRows;

  constructor(rows: ConfigRows) {
    this.#rows = rows;
  }

  /** `version` 0 means the newest. */
  async get(
    principal: Principal,
    request: { id: unknown; version?: unknown; includeDeleted: boolean },
  ): Promise<ConfigReply> {
    const config = await this.findVisible(principal.tenantId, request.id, request.includeDeleted);
    if (config === undefined) return NOT_FOUND;
    const asked = intField(request.version);
    if (asked < 0 || asked > MAX_VERSION) return NOT_FOUND;
    const where = { configId: config.id, version: asked === 0 ? config.version : asked };
    const version = await this.#rows.of(principal.tenantId).manager.findOneBy(ConfigVersionEntity, where);
    if (version === null || !isVisible(version, principal.tenantId)) return NOT_FOUND;
    const newest = asked === 0;
    const shown = toConfig(config, version, newest);
    return { config: shown, etag: tagOf(shown) };
  }

  /**
   * A page in the order of creation, newest first. It may be shorter than requested when its documents are large. Only
   * the last page has no `nextCursor`.
   */
  async list(
    principal: Principal,
    request: {
      nameContains?: unknown;
      strategy?: unknown;
      ownerId?: unknown;
      includeDeleted: boolean;
      limit?: unknown;
      cursor?: unknown;
      offset?: unknown;
      keptFor?: unknown;
      withTotal?: boolean | undefined;
    },
  ): Promise<ListConfigsReply> {
    const cursor = textField(request.cursor);
    const after = cursor === '' ? undefined : decodeCursor('configs', cursor);
    if (cursor !== '' && (after === undefined || !isUuid(after))) {
      return { configs: [], ...invalidField('/cursor', 'bad_cursor', 'is not a cursor of this list') };
    }
    const limit = pageSize(request.limit, DEFAULT_PAGE, MAX_PAGE);
    // Row level security would prevent the use of the index for parts of names. So names are found as for all tenants,
    // and the results are read as the tenant sees them.
    const rowsOf = this.#rows.of(principal.tenantId);
    const searched = textField(request.nameContains) === '' ? rowsOf : this.#rows.everybody;
    const query = searched.manager
      .createQueryBuilder(ConfigEntity, 'config')
      .where(
        `(config.tenantId = :tenant OR (${PUBLISHED('config', ':tenant', 'tenantId', 'isGlobal')} AND config.deletedAt IS NULL))`,
        {
          tenant: principal.tenantId,
        },
      )
      .orderBy('config.id', 'DESC');
    if (!request.includeDeleted) query.andWhere('config.deletedAt IS NULL');
    const keptFor = textField(request.keptFor);
    if (keptFor !== '') {
      query.andWhere(`config.tenantId = :tenant AND config.metadata->'batuta'->>'kept_for' = :keptFor`, { keptFor });
    }
    const counts = request.withTotal === true;
    if (!addFilters(query, request)) return { configs: [], ...(counts ? { total: 0 } : {}) };
    // Counted before the cursor limits it to the remaining pages.
    const total = counts ? { total: await query.clone().orderBy().getCount() } : {};
    if (after !== undefined) query.andWhere('config.id < :after', { after });
    const rows = await query
      .offset(Math.max(0, intField(request.offset)))
      .limit(limit + 1)
      .innerJoin(ConfigVersionEntity, 'v', 'v.configId = config.id AND v.version = config.version')
      .select(['config.id AS id', 'v.definitionBytes AS bytes'])
      .getRawMany<{ id: string; bytes: number }>();
    const page = cutPage(rows, limit);
    const configs = await this.#read(
      rowsOf,
      page.map(({ id }) => id),
    );
    const last = page.at(-1);
    return {
      configs,
      ...total,
      ...(last !== undefined && page.length < rows.length ? { nextCursor: encodeCursor('configs', last.id) } : {}),
    };
  }

  /**
   * Versions, newest first, below `beforeVersion` unless that is 0. Also those of a deleted config if the request asks
   * for them.
   */
  async versions(
    principal: Principal,
    request: { id: unknown; limit?: unknown; beforeVersion?: unknown; includeDeleted: boolean },
  ): Promise<ListVersionsReply> {
    const config = await this.findVisible(principal.tenantId, request.id, request.includeDeleted);
    if (config === undefined) return { versions: [], ...NOT_FOUND };
    const limit = pageSize(request.limit, DEFAULT_PAGE, MAX_PAGE);
    const before = intField(request.beforeVersion);
    const { manager } = this.#rows.of(principal.tenantId);
    const query = manager
      .createQueryBuilder(ConfigVersionEntity, 'v')
      .select(['v.version AS version', 'v.definitionBytes AS bytes'])
      .where('v.configId = :id', { id: config.id })
      .orderBy('v.version', 'DESC')
      .limit(limit);
    if (before > 0 && before <= MAX_VERSION) query.andWhere('v.version < :before', { before });
    if (config.tenantId !== principal.tenantId) query.andWhere('v.isGlobal');
    const page = cutPage(await query.getRawMany<{ version: number; bytes: number }>(), limit);
    if (page.length === 0) return { versions: [] };
    const versions = await manager
      .createQueryBuilder(ConfigVersionEntity, 'v')
      .where('v.configId = :id AND v.version = ANY(:versions)', {
        id: config.id,
        versions: page.map(({ version }) => version),
      })
      .orderBy('v.version', 'DESC')
      .getMany();
    return { versions: versions.map((version) => toConfig(config, version, false)) };
  }

  /**
   * What a start needs, read from the database, and how long this stays valid, so that a start after an answered update
   * sees the update.
   */
  async resolve(
    tenantId: string,
    request: { id: unknown; version?: unknown; includeDeleted?: boolean },
  ): Promise<ResolveConfigReply> {
    const { includeDeleted = false } = request;
    const text = findable(request.id);
    if (text === undefined) return NOT_FOUND;
    const asked = intField(request.version);
    if (asked < 0 || asked > MAX_VERSION) return NOT_FOUND;
    // A deleted config cannot be found by name.
    let found = includeDeleted && asked > 0 && isUuid(text) ? undefined : await this.#resolved(text, tenantId);
    if (asked > 0) {
      const id = found?.config_id ?? text;
      if (!isUuid(id)) return NOT_FOUND;
      found = await this.#firstOf(tenantId, { ...RESOLVE_VERSION, values: [id, tenantId, asked, includeDeleted] });
      if (found === undefined) return refuse('not_found', `There is no such config with a version ${asked}.`);
    }
    if (found === undefined) return NOT_FOUND;
    return {
      configId: found.config_id,
      version: found.version,
      hasInputSchema: found.has_input_schema,
      leaseMs: LEASE_MS,
    };
  }

  #resolved(text: string, tenantId: string): Promise<ResolvedRow | undefined> {
    const statement = isUuid(text) ? RESOLVE_ID : RESOLVE_NAME;
    return this.#firstOf(tenantId, { ...statement, values: [text, tenantId] });
  }

  /**
   * Uses the driver's pool, because only that prepares statements. Planning took three quarters of the time of this
   * query.
   */
  async #firstOf(
    tenantId: string,
    query: { name: string; text: string; values: unknown[] },
  ): Promise<ResolvedRow | undefined> {
    const pool = (this.#rows.everybody.driver as PostgresDriver).master as TenantPool;
    const { rows } = await pool.seen({ tenantId }).query<ResolvedRow>(query);
    return rows[0];
  }

  /** One version for the execution service, of any tenant, also after a deletion. */
  async version(configId: unknown, version?: unknown): Promise<GetVersionReply> {
    const id = findable(configId);
    const number = intField(version);
    if (id === undefined || !isUuid(id) || number < 1 || number > MAX_VERSION) return NOT_FOUND;
    const found = await this.#rows.everybody.manager.findOneBy(ConfigVersionEntity, {
      configId: id,
      version: number,
    });
    if (found === null) return NOT_FOUND;
    return { configId: id, version: number, tenantId: found.tenantId, definition: documentOf(found) };
  }

  /** Finds by id, or by name among those not deleted: the tenant's own config first, then the global one. */
  async findVisible(tenantId: string, idOrName: unknown, deletedToo: boolean): Promise<ConfigEntity | undefined> {
    const text = findable(idOrName);
    if (text === undefined) return undefined;
    const found = await this.#rows
      .of(tenantId)
      .manager.createQueryBuilder(ConfigEntity, 'config')
      .where(isUuid(text) ? 'config.id = :text' : 'config.name = :text AND config.deletedAt IS NULL', { text })
      .andWhere(
        `(config.tenantId = :tenantId OR (${PUBLISHED('config', ':tenantId', 'tenantId', 'isGlobal')} AND config.deletedAt IS NULL))`,
        {
          tenantId,
        },
      )
      .orderBy('config.tenantId = :tenantId', 'DESC')
      .limit(1)
      .getOne();
    return found === null || (found.deletedAt !== null && !deletedToo) ? undefined : found;
  }

  async #read(rows: DataSource, ids: readonly string[]): Promise<Config[]> {
    if (ids.length === 0) return [];
    const found = await rows.manager
      .createQueryBuilder(ConfigEntity, 'config')
      .innerJoinAndMapOne(
        'config.newest',
        ConfigVersionEntity,
        'v',
        'v.configId = config.id AND v.version = config.version',
      )
      .where('config.id = ANY(:ids)', { ids })
      .orderBy('config.id', 'DESC')
      .getMany();
    return found.map((config) => toConfig(config, (config as ConfigEntity & { newest: ConfigVersionEntity }).newest));
  }
}

/**
 * The tenant's configs and the published ones, by the index of name parts. The index may find too many, because it
 * ignores the order of the parts.
 */
const NAME_CONTAINS = `(
    config.name_parts(config.tenant_id, config.name, '{1,2,3}') @>
      config.name_parts(:tenant, :filter0, ARRAY[least(3, char_length(lower(:filter0)))])
    OR config.name_parts(config.tenant_id, config.name, '{1,2,3}') @>
      config.name_parts('${DEFAULT_TENANT}', :filter0, ARRAY[least(3, char_length(lower(:filter0)))])
  ) AND strpos(lower(config.name), lower(:filter0)) > 0`;

/** False when a filter can match nothing. */
function addFilters(
  query: SelectQueryBuilder<ConfigEntity>,
  request: { nameContains?: unknown; strategy?: unknown; ownerId?: unknown },
): boolean {
  const filters = [
    [NAME_CONTAINS, request.nameContains],
    ['config.strategy = :filter1', request.strategy],
    ['config.ownerId = :filter2', request.ownerId],
  ] as const;
  for (const [index, [condition, value]] of filters.entries()) {
    if (textField(value) === '') continue;
    const text = findable(value);
    if (text === undefined) return false;
    query.andWhere(condition, { [`filter${index}`]: text });
  }
  return true;
}

/** As many rows as fit into a message, but at least one. */
function cutPage<Row extends { bytes: number }>(rows: readonly Row[], limit: number): Row[] {
  let bytes = 0;
  const page: Row[] = [];
  for (const row of rows.slice(0, limit)) {
    bytes += Number(row.bytes);
    if (page.length > 0 && bytes > PAGE_BYTES) break;
    page.push(row);
  }
  return page;
}

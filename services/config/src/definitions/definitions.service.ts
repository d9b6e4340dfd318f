import {
  decodeCursor,
  encodeCursor,
  DEFAULT_TENANT,
  etagOf,
  LIMITS,
  newId,
  preconditionRefusal,
  isUuid,
} from '@batuta/contracts';
import type {
  Config,
  ConfigReply,
  GetVersionReply,
  Idempotency,
  ListConfigsReply,
  ListVersionsReply,
  OrchestrationDefinition,
  Preconditions,
  Principal,
  ResolveConfigReply,
} from '@batuta/contracts';
import { SandboxBusyError } from '@batuta/sandbox';
import { IdempotencyKeys } from '@batuta/service';
import type { TenantPool } from '@batuta/service';
import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import type { DataSource, EntityManager, FindOptionsWhere, SelectQueryBuilder } from 'typeorm';
import { invalid, invalidField, isRefused, refuse, RefusedError } from '../access/refusals.js';
import type { Refused } from '../access/refusals.js';
import { findable, intField, pageSize, textField } from '../access/requests.js';
import { requireRole } from '../access/roles.js';
import { AgentRegistry } from '../agents/agent-registry.js';
import { Changes } from '../changes.js';
import { ConfigRows, isDuplicate } from '../database/data-source.js';
import { Report, guardJson } from '@batuta/documents';
import { mergePatch } from '../json/merge-patch.js';
import { ConfigVersionEntity } from './config-version.entity.js';
import { TenantLimitsRegistry } from '../tenants/limits.js';
import { ConfigEntity } from './config.entity.js';
import { DefinitionCheck } from './definition-check.js';
import { flatForm } from './flat-form.js';
import { keptMistake, markMistake, requireFree, requireOrder } from './kept-configs.js';
import { LEASE_MS, leasesEnded } from './lease.js';
import { PUBLISHED, RESOLVE_ID, RESOLVE_NAME, RESOLVE_VERSION } from './resolve-sql.js';
import type { ResolvedRow } from './resolve-sql.js';

/** Most bytes of documents in one answer: a message must stay below NATS' limit. */
const PAGE_BYTES = LIMITS.natsMaxPayloadBytes / 2;
const DEFAULT_PAGE = 50;
const MAX_PAGE = 200;
const MAX_VERSION = 2_147_483_647;
/** How many concurrent versions by others one patch tolerates. */
const PATCH_TRIES = 10;

interface Checked {
  readonly definition: OrchestrationDefinition;
  readonly bytes: number;
  readonly agents: readonly string[];
}

/** The context of a change to a config. */
interface Write {
  readonly name: string;
  readonly before: 'known' | 'new';
  readonly idempotency?: Idempotency | undefined;
}

const NOT_FOUND = refuse('not_found', 'There is no such config.');

/**
 * Orchestration configs and their immutable versions. A tenant sees its own configs, and global ones if it has allowed
 * them.
 */
@Injectable()
export class Definitions {
  readonly #rows: ConfigRows;
  readonly #agents: AgentRegistry;
  readonly #checks: DefinitionCheck;
  readonly #changes: Changes;
  readonly #keys: IdempotencyKeys;
  readonly #limits: TenantLimitsRegistry;

  constructor(
    rows: ConfigRows,
    agents: AgentRegistry,
    checks: DefinitionCheck,
    changes: Changes,
    keys: IdempotencyKeys,
    limits: TenantLimitsRegistry,
  ) {
    this.#rows = rows;
    this.#agents = agents;
    this.#checks = checks;
    this.#changes = changes;
    this.#keys = keys;
    this.#limits = limits;
  }

  /** `keptFor`: what the platform keeps it for; empty for a config of its user. */
  async create(principal: Principal, document: unknown, idempotency?: Idempotency, keptFor = ''): Promise<ConfigReply> {
    const earlier = await this.#keys.earlier<ConfigReply>(
      this.#rows.of(principal.tenantId),
      principal.tenantId,
      idempotency,
    );
    if (earlier !== undefined) return earlier;
    const checked = await this.#check(principal, document);
    if (isRefused(checked)) return checked;
    const denial = this.#mayPublish(principal, false, checked.definition) ?? markMistake(checked.definition, keptFor);
    if (denial !== undefined) return denial;
    const write = { name: checked.definition.name, before: 'new', idempotency } as const;
    return this.#write(principal, write, async (manager) => {
      await this.#agents.lock(manager, principal.tenantId, checked.agents);
      const { name, is_global: isGlobal = false } = checked.definition;
      await requireName(manager, { tenantId: principal.tenantId, name, isGlobal });
      const config = manager.create(ConfigEntity, {
        ...columns(checked),
        id: newId(),
        tenantId: principal.tenantId,
        ownerId: principal.userId,
        version: 1,
        isActive: true,
        deletedAt: null,
      });
      await manager.insert(ConfigEntity, config);
      await requireOrder(manager, principal.tenantId, checked.definition);
      await this.#limits.requireRoom(manager, principal.tenantId, checked.bytes);
      return toConfig(config, await insertVersion(manager, config, checked, principal));
    });
  }

  /** `version` 0 means the newest. */
  async get(
    principal: Principal,
    request: { id: unknown; version?: unknown; includeDeleted: boolean },
  ): Promise<ConfigReply> {
    const config = await this.#findVisible(principal.tenantId, request.id, request.includeDeleted);
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

  /** Makes a new version. Two concurrent updates get two versions, or one of them is refused. */
  async update(
    principal: Principal,
    request: { id: unknown; document: unknown; preconditions: Preconditions | undefined; keptFor?: string | undefined },
  ): Promise<ConfigReply> {
    const found = await this.#findOwn(principal, request.id);
    if (isRefused(found)) return found;
    const kept = keptMistake(found, request.keptFor);
    if (kept !== undefined) return kept;
    const checked = await this.#check(principal, request.document);
    if (isRefused(checked)) return checked;
    const marked = markMistake(checked.definition, request.keptFor);
    if (marked !== undefined) return marked;
    const write = { name: checked.definition.name, before: 'known' } as const;
    return this.#write(principal, write, async (manager) => {
      const config = await lockConfig(manager, principal.tenantId, found.id, false);
      const denial =
        this.#mayPublish(principal, config.isGlobal, checked.definition) ?? conflictOf(config, request.preconditions);
      if (denial !== undefined) throw new RefusedError(denial);
      await this.#agents.lock(manager, principal.tenantId, checked.agents);
      const { name, is_global: isGlobal = false } = checked.definition;
      await requireName(manager, { id: config.id, tenantId: principal.tenantId, name, isGlobal });
      const values = { ...columns(checked), version: config.version + 1 };
      await manager.update(ConfigEntity, { id: config.id }, { ...values, updatedAt: () => 'now()' });
      const changed = await manager.findOneByOrFail(ConfigEntity, { id: config.id });
      await requireFree(manager, principal.tenantId, config, checked.definition);
      await requireOrder(manager, principal.tenantId, checked.definition);
      await this.#limits.requireRoom(manager, principal.tenantId, checked.bytes);
      return toConfig(changed, await insertVersion(manager, changed, checked, principal));
    });
  }

  /**
   * Makes a new version from the newest one and a JSON merge patch. When others make a version meanwhile and the caller
   * expects no certain version, the patch is applied to the new one.
   */
  async patch(
    principal: Principal,
    request: { id: unknown; document: unknown; preconditions: Preconditions | undefined },
  ): Promise<ConfigReply> {
    const found = await this.#findOwn(principal, request.id);
    if (isRefused(found)) return found;
    const guarded = new Report();
    guardJson(request.document, guarded);
    if (guarded.total > 0) return invalid('The patch', guarded.violations, guarded.total);
    const { document: patch, pathOf, mistakes } = flatForm(request.document, 'patch');
    if (mistakes.length > 0) return invalid('The patch', mistakes, mistakes.length);
    const { manager } = this.#rows.of(principal.tenantId);
    for (let tried = 1; ; tried += 1) {
      const config = await manager.findOneBy(ConfigEntity, { id: found.id, deletedAt: IsNull() });
      if (config === null) return NOT_FOUND;
      const conflict = conflictOf(config, request.preconditions);
      if (conflict !== undefined) return conflict;
      const where = { configId: config.id, version: config.version };
      const newest = documentOf(await manager.findOneByOrFail(ConfigVersionEntity, where));
      const document = mergePatch(newest, patch);
      const preconditions = { ifMatch: { tags: [tagOf(config)] } };
      const reply = await this.update(principal, { id: config.id, document, preconditions });
      // The caller's own conditions are checked again with the new version.
      if (reply.refused?.code === 'version_conflict' && tried < PATCH_TRIES) continue;
      const { refused } = reply;
      if (refused?.violations === undefined) return reply;
      const violations = refused.violations.map((mistake) => ({ ...mistake, path: pathOf(mistake.path) }));
      return { refused: { ...refused, violations } };
    }
  }

  /** A soft delete: its versions stay for running executions, and it can be restored. */
  async delete(
    principal: Principal,
    request: { id: unknown; preconditions: Preconditions | undefined; keptFor?: string | undefined },
  ): Promise<ConfigReply> {
    const found = await this.#findOwn(principal, request.id);
    if (isRefused(found)) return found;
    const kept = keptMistake(found, request.keptFor);
    if (kept !== undefined) return kept;
    return this.#write(principal, { name: found.name, before: 'known' }, async (manager) => {
      const config = await lockConfig(manager, principal.tenantId, found.id, false);
      const denial = this.#mayPublish(principal, config.isGlobal) ?? conflictOf(config, request.preconditions);
      if (denial !== undefined) throw new RefusedError(denial);
      const gone = { isActive: false, deletedAt: () => 'now()', updatedAt: () => 'now()' };
      await manager.update(ConfigEntity, { id: config.id }, gone);
      await requireFree(manager, principal.tenantId, config);
      return readConfig(manager, config.id);
    });
  }

  /**
   * Needs an id, because deleted configs may share a name. Refused when the name is in use, or when an agent does not
   * exist any more.
   */
  async restore(
    principal: Principal,
    request: { id: unknown; preconditions: Preconditions | undefined; idempotency: Idempotency | undefined },
  ): Promise<ConfigReply> {
    const id = findable(request.id);
    if (id === undefined || !isUuid(id)) return NOT_FOUND;
    const { idempotency } = request;
    const earlier = await this.#keys.earlier<ConfigReply>(
      this.#rows.of(principal.tenantId),
      principal.tenantId,
      idempotency,
    );
    if (earlier !== undefined) return earlier;
    const { tenantId } = principal;
    const found = await this.#rows.of(tenantId).manager.findOneBy(ConfigEntity, { id, tenantId });
    if (found === null) return NOT_FOUND;
    if (found.deletedAt === null) return refuse('conflict', 'The config is not deleted.');
    const kept = keptMistake(found, undefined) ?? markMistake(found);
    if (kept !== undefined) return kept;
    return this.#write(principal, { name: found.name, before: 'new', idempotency }, async (manager) => {
      const config = await lockConfig(manager, tenantId, id, true);
      const denial = this.#mayPublish(principal, config.isGlobal) ?? conflictOf(config, request.preconditions);
      if (denial !== undefined) throw new RefusedError(denial);
      await this.#agents.lock(manager, tenantId, config.agents);
      await requireName(manager, config);
      const back = { isActive: true, deletedAt: null, updatedAt: () => 'now()' };
      await manager.update(ConfigEntity, { id }, back);
      return readConfig(manager, id);
    });
  }

  /**
   * Versions, newest first, below `beforeVersion` unless that is 0. Also those of a deleted config if the request asks
   * for them.
   */
  async versions(
    principal: Principal,
    request: { id: unknown; limit?: unknown; beforeVersion?: unknown; includeDeleted: boolean },
  ): Promise<ListVersionsReply> {
    const config = await this.#findVisible(principal.tenantId, request.id, request.includeDeleted);
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

  async #check(principal: Principal, document: unknown): Promise<Checked | Refused> {
    const bytes = Buffer.byteLength(JSON.stringify(document ?? null));
    if (bytes > LIMITS.requestBodyBytes) {
      return refuse(
        'payload_too_large',
        `The config has ${bytes} bytes; at most ${LIMITS.requestBodyBytes} are allowed.`,
      );
    }
    try {
      const checked = await this.#checks.check(principal.tenantId, document);
      if (!checked.ok) return invalid('The config', checked.violations, checked.total);
      return { definition: checked.definition, agents: checked.agents, bytes };
    } catch (error) {
      if (error instanceof SandboxBusyError) return refuse('unavailable', error.message);
      throw error;
    }
  }

  /**
   * Every tenant may run a global config. So only an admin may change one, before and after the change, and only in the
   * platform's tenant.
   */
  #mayPublish(principal: Principal, isGlobal: boolean, next?: OrchestrationDefinition): Refused | undefined {
    if (!isGlobal && next?.is_global !== true) return undefined;
    const denied = requireRole(principal, 'admin', 'make, change or delete a global config');
    if (denied !== undefined) return denied;
    // Other tenants send their input to the agents of a global config. The owner of an older global config may still
    // withdraw it.
    return next?.is_global !== true || principal.tenantId === DEFAULT_TENANT
      ? undefined
      : refuse('forbidden', `Only the platform's own tenant, "${DEFAULT_TENANT}", publishes global configs.`);
  }

  /**
   * Runs a change in one transaction, then announces it. Returns refusals and taken names as values. Returns only when
   * no start can use the old state. That is at once for a config that starts did not know, unless it hides a global
   * one.
   */
  async #write(
    principal: Principal,
    { name, before, idempotency }: Write,
    change: (manager: EntityManager) => Promise<Config>,
  ): Promise<ConfigReply> {
    let reply: ConfigReply;
    try {
      reply = await this.#rows.of(principal.tenantId).transaction((manager) =>
        this.#keys.once<ConfigReply>(manager, principal.tenantId, idempotency, async () => {
          const config = await change(manager);
          return { config, etag: tagOf(config) };
        }),
      );
    } catch (error) {
      if (error instanceof RefusedError) return error.refusal;
      if (isDuplicate(error, 'orchestration_configs_name')) return nameTaken(name);
      if (isDuplicate(error, 'orchestration_configs_global_name')) return nameTaken(name, true);
      throw error;
    }
    const { config, repeated = false } = reply;
    if (config === undefined || repeated) return reply;
    this.#changes.announce({ kind: 'config', tenantId: principal.tenantId, id: config.id });
    if (before === 'known' || (await this.#hidesGlobal(principal.tenantId, name))) await leasesEnded();
    return reply;
  }

  /** A tenant's own config comes before a global one of the same name. */
  #hidesGlobal(tenantId: string, name: string): Promise<boolean> {
    return this.#rows.of(tenantId).manager.existsBy(ConfigEntity, {
      name,
      isGlobal: true,
      tenantId: DEFAULT_TENANT,
      deletedAt: IsNull(),
    });
  }

  /** Finds by id, or by name among those not deleted: the tenant's own config first, then the global one. */
  async #findVisible(tenantId: string, idOrName: unknown, deletedToo: boolean): Promise<ConfigEntity | undefined> {
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

  async #findOwn(principal: Principal, idOrName: unknown): Promise<ConfigEntity | Refused> {
    const found = await this.#findVisible(principal.tenantId, idOrName, false);
    if (found === undefined) return NOT_FOUND;
    if (found.tenantId === principal.tenantId) return found;
    return refuse('forbidden', 'This global config belongs to another tenant, which alone may change it.');
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

function isVisible(version: ConfigVersionEntity, tenantId: string): boolean {
  return version.tenantId === tenantId || (version.isGlobal && version.tenantId === DEFAULT_TENANT);
}

/** The entity tag of a config as it is shown. The version stands for its document, which never changes. */
function tagOf(config: Config | ConfigEntity): string {
  const { id, version, isActive, ownerId, createdAt, updatedAt, deletedAt } = config;
  const times = [createdAt, updatedAt, deletedAt ?? 0].map(Number);
  return etagOf([id, version, isActive, ownerId, times], version);
}

function conflictOf(config: ConfigEntity, preconditions: Preconditions | undefined): Refused | undefined {
  const refused = preconditionRefusal(preconditions, { etag: tagOf(config), version: config.version });
  return refused === undefined ? undefined : { refused };
}

function columns({ definition, agents }: Checked) {
  return {
    name: definition.name,
    description: definition.description ?? '',
    strategy: definition.strategy,
    steps: definition.steps,
    settings: definition.settings ?? {},
    metadata: definition.metadata ?? {},
    isGlobal: definition.is_global ?? false,
    agents: [...agents],
  };
}

async function insertVersion(
  manager: EntityManager,
  config: ConfigEntity,
  { definition, bytes }: Checked,
  principal: Principal,
): Promise<ConfigVersionEntity> {
  const version = manager.create(ConfigVersionEntity, {
    configId: config.id,
    version: config.version,
    tenantId: config.tenantId,
    isGlobal: config.isGlobal,
    definition,
    definitionBytes: bytes,
    hasInputSchema: definition.input_schema !== undefined,
    createdBy: principal.userId,
  });
  await manager.insert(ConfigVersionEntity, version);
  return version;
}

/** Locks the tenant's config for a change. Throws `RefusedError` when it was deleted or restored meanwhile. */
async function lockConfig(
  manager: EntityManager,
  tenantId: string,
  id: string,
  deleted: boolean,
): Promise<ConfigEntity> {
  const where: FindOptionsWhere<ConfigEntity> = { id, tenantId };
  const config = await manager.findOne(ConfigEntity, { where, lock: { mode: 'pessimistic_write' } });
  if (config === null || (config.deletedAt === null) === deleted) throw new RefusedError(NOT_FOUND);
  return config;
}

function nameTaken(name: string, isGlobal = false): Refused {
  return refuse('name_taken', `There is already a ${isGlobal ? 'global ' : ''}config named "${name}".`);
}

interface Named {
  /** Absent for a config that is not there yet. */
  readonly id?: string;
  readonly tenantId: string;
  readonly name: string;
  readonly isGlobal: boolean;
}

const NAMESAKES = `SELECT tenant_id = $2 AS own FROM config.orchestration_configs
  WHERE name = $1 AND deleted_at IS NULL AND id IS DISTINCT FROM $4 AND (tenant_id = $2 OR ($3 AND is_global))`;

/**
 * Takes the name until the end of the transaction. Throws `RefusedError` when another config has it. The unique indexes
 * would refuse it too, but PostgreSQL then writes an error into its log, where operators look for real ones.
 */
async function requireName(manager: EntityManager, { id, tenantId, name, isGlobal }: Named): Promise<void> {
  const locked = [JSON.stringify([tenantId, name]), ...(isGlobal ? [JSON.stringify([name])] : [])];
  for (const each of locked) await manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 9))', [each]);
  const others = await manager.query<{ own: boolean }[]>(NAMESAKES, [name, tenantId, isGlobal, id ?? null]);
  if (others.length > 0) throw new RefusedError(nameTaken(name, !others.some(({ own }) => own)));
}

async function readConfig(manager: EntityManager, id: string): Promise<Config> {
  const config = await manager.findOneByOrFail(ConfigEntity, { id });
  const where = { configId: id, version: config.version };
  return toConfig(config, await manager.findOneByOrFail(ConfigVersionEntity, where));
}

/** Only validated documents are stored, so the type is correct. */
function documentOf(version: ConfigVersionEntity): OrchestrationDefinition {
  return version.definition as OrchestrationDefinition;
}

/** `newest`: the config itself, with the times of its last change. Otherwise one version, which never changes. */
function toConfig(config: ConfigEntity, version: ConfigVersionEntity, newest = true): Config {
  return {
    id: config.id,
    tenantId: config.tenantId,
    ownerId: config.ownerId,
    version: version.version,
    isActive: config.isActive,
    createdAt: config.createdAt.getTime(),
    updatedAt: (newest ? config.updatedAt : version.createdAt).getTime(),
    definition: documentOf(version),
    ...(config.deletedAt === null ? {} : { deletedAt: config.deletedAt.getTime() }),
  };
}

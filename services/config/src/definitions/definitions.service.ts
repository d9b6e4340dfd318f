import { DEFAULT_TENANT, LIMITS, isUuid, newId } from '@batuta/contracts';
import type {
  Config,
  ConfigReply,
  Idempotency,
  OrchestrationDefinition,
  Preconditions,
  Principal,
} from '@batuta/contracts';
import { Report, guardJson } from '@batuta/documents';
import { SandboxBusyError } from '@batuta/sandbox';
import { IdempotencyKeys } from '@batuta/service';
import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { RefusedError, invalid, isRefused, refuse } from '../access/refusals.js';
import type { Refused } from '../access/refusals.js';
import { findable } from '../access/requests.js';
import { requireRole } from '../access/roles.js';
import { AgentRegistry } from '../agents/agent-registry.js';
import { Changes } from '../changes.js';
import { ConfigRows, isDuplicate } from '../database/data-source.js';
import { mergePatch } from '../json/merge-patch.js';
import { TenantLimitsRegistry } from '../tenants/limits.js';
import { nameTaken, requireName } from './config-names.js';
import { ConfigReads } from './config-reads.js';
import {
  NOT_FOUND,
  columns,
  conflictOf,
  documentOf,
  insertVersion,
  lockConfig,
  readConfig,
  tagOf,
  toConfig,
} from './config-records.js';
import type { Checked } from './config-records.js';
import { ConfigVersionEntity } from './config-version.entity.js';
import { ConfigEntity } from './config.entity.js';
import { DefinitionCheck } from './definition-check.js';
import { flatForm } from './flat-form.js';
import { keptMistake, markMistake, requireFree, requireOrder } from './kept-configs.js';
import { leasesEnded } from './lease.js';

/** How many concurrent versions by others one patch tolerates. */
const PATCH_TRIES = 10;

/** The context of a change to a config. */
interface Write {
  readonly name: string;
  readonly before: 'known' | 'new';
  readonly idempotency?: Idempotency | undefined;
}

/**
 * Orchestration configs and their immutable versions. A tenant sees its own configs, and global ones if it has allowed
 * them.
 */
@Injectable()
export class Definitions {
  readonly #rows: ConfigRows;
  /** What changes nothing. */
  readonly reads: ConfigReads;
  readonly #agents: AgentRegistry;
  readonly #checks: DefinitionCheck;
  readonly #changes: Changes;
  readonly #keys: IdempotencyKeys;
  readonly #limits: TenantLimitsRegistry;

  constructor(
    rows: ConfigRows,
    reads: ConfigReads,
    agents: AgentRegistry,
    checks: DefinitionCheck,
    changes: Changes,
    keys: IdempotencyKeys,
    limits: TenantLimitsRegistry,
  ) {
    this.#rows = rows;
    this.reads = reads;
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

  async #findOwn(principal: Principal, idOrName: unknown): Promise<ConfigEntity | Refused> {
    const found = await this.reads.findVisible(principal.tenantId, idOrName, false);
    if (found === undefined) return NOT_FOUND;
    if (found.tenantId === principal.tenantId) return found;
    return refuse('forbidden', 'This global config belongs to another tenant, which alone may change it.');
  }
}

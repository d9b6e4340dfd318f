import { DEFAULT_TENANT, etagOf, preconditionRefusal } from '@batuta/contracts';
import type { Config, OrchestrationDefinition, Preconditions, Principal } from '@batuta/contracts';
import type { EntityManager, FindOptionsWhere } from 'typeorm';
import { RefusedError, refuse } from '../access/refusals.js';
import type { Refused } from '../access/refusals.js';
import { ConfigVersionEntity } from './config-version.entity.js';
import { ConfigEntity } from './config.entity.js';

/** A document that passed all checks. */
export interface Checked {
  readonly definition: OrchestrationDefinition;
  readonly bytes: number;
  readonly agents: readonly string[];
}

export const NOT_FOUND = refuse('not_found', 'There is no such config.');

export function isVisible(version: ConfigVersionEntity, tenantId: string): boolean {
  return version.tenantId === tenantId || (version.isGlobal && version.tenantId === DEFAULT_TENANT);
}

/** The entity tag of a config as it is shown. The version stands for its document, which never changes. */
export function tagOf(config: Config | ConfigEntity): string {
  const { id, version, isActive, ownerId, createdAt, updatedAt, deletedAt } = config;
  const times = [createdAt, updatedAt, deletedAt ?? 0].map(Number);
  return etagOf([id, version, isActive, ownerId, times], version);
}

export function conflictOf(config: ConfigEntity, preconditions: Preconditions | undefined): Refused | undefined {
  const refused = preconditionRefusal(preconditions, { etag: tagOf(config), version: config.version });
  return refused === undefined ? undefined : { refused };
}

export function columns({ definition, agents }: Checked): Pick<OrchestrationDefinition, 'name' | 'strategy' | 'steps'> &
  Required<Pick<OrchestrationDefinition, 'description' | 'settings' | 'metadata'>> & {
    isGlobal: boolean;
    agents: string[];
  } {
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

export async function insertVersion(
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
export async function lockConfig(
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

export async function readConfig(manager: EntityManager, id: string): Promise<Config> {
  const config = await manager.findOneByOrFail(ConfigEntity, { id });
  const where = { configId: id, version: config.version };
  return toConfig(config, await manager.findOneByOrFail(ConfigVersionEntity, where));
}

/** Only validated documents are stored, so the type is correct. */
export function documentOf(version: ConfigVersionEntity): OrchestrationDefinition {
  return version.definition as OrchestrationDefinition;
}

/** `newest`: the config itself, with the times of its last change. Otherwise one version, which never changes. */
export function toConfig(config: ConfigEntity, version: ConfigVersionEntity, newest = true): Config {
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

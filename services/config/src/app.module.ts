import { Sandbox } from '@batuta/sandbox';
import type { TenantLimits } from '@batuta/contracts';
import { IdempotencyKeys } from '@batuta/service';
import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { AgentCheck } from './agents/agent-check.js';
import { AgentRegistry } from './agents/agent-registry.js';
import { KnownAgents } from './agents/known-agents.js';
import { PoolClaims } from './agents/pool-claims.js';
import { AgentsController } from './agents/agents.controller.js';
import { AuditController } from './audit/audit.controller.js';
import { AuditLog } from './audit/audit-log.js';
import { Changes, PUBLISHER } from './changes.js';
import type { Publisher } from './changes.js';
import { ConfigRows, SCHEMA } from './database/data-source.js';
import { PoolCredentials } from './credentials/pool-credentials.js';
import { PoolCredentialsController } from './credentials/pool-credentials.controller.js';
import { WORKER_USERS } from './credentials/worker-users.js';
import type { WorkerUsers } from './credentials/worker-users.js';
import { DefinitionCheck, LongestStep } from './definitions/definition-check.js';
import { ConfigReads } from './definitions/config-reads.js';
import { Definitions } from './definitions/definitions.service.js';
import { DefinitionsController } from './definitions/definitions.controller.js';
import { KnowledgeController } from './knowledge/knowledge.controller.js';
import { Knowledge } from './knowledge/knowledge.service.js';
import { McpServers } from './mcp-servers/mcp-servers.js';
import { McpServersController } from './mcp-servers/mcp-servers.controller.js';
import { Models } from './models/models.js';
import { ModelsController } from './models/models.controller.js';
import { RequestMetrics } from './request-metrics.js';
import { SecretUses } from './secrets/secret-uses.js';
import { Secrets } from './secrets/secrets.js';
import { SecretsController } from './secrets/secrets.controller.js';
import { SecretVault } from './secrets/secret-vault.js';
import { ApiKeysController } from './tenants/api-keys.controller.js';
import { ApiKeys } from './tenants/api-keys.js';
import { DEFAULT_LIMITS, TenantLimitsRegistry } from './tenants/limits.js';
import { TenantSettingsRegistry } from './tenants/tenant-settings.js';
import { TenantsController, TenantSettingsController } from './tenants/tenants.controller.js';

export interface ConfigModuleOptions {
  /** Initialised and migrated. The application does not close it; the caller that made it does. */
  readonly rows: ConfigRows;
  readonly publisher: Publisher;
  /** The application does not close it; the caller that made it does. */
  readonly sandbox: Sandbox;
  readonly pools: PoolClaims;
  /** Undefined: this service does not make users of the NATS server. */
  readonly workerUsers?: WorkerUsers | undefined;
  readonly vault: SecretVault;
  /** The limits of tenants without their own. */
  readonly defaultLimits: TenantLimits;
  readonly longestStepMs: number;
}

/** The config service: definitions, agents, tenants and their keys, and the knowledge base. */
@Module({})
export class ConfigModule {
  static register(options: ConfigModuleOptions): DynamicModule {
    const { rows, publisher, sandbox, pools, workerUsers, vault, defaultLimits, longestStepMs } = options;
    return {
      module: ConfigModule,
      controllers: [
        DefinitionsController,
        AgentsController,
        ApiKeysController,
        KnowledgeController,
        PoolCredentialsController,
        SecretsController,
        ModelsController,
        McpServersController,
        TenantsController,
        TenantSettingsController,
        AuditController,
      ],
      providers: [
        { provide: ConfigRows, useValue: rows },
        { provide: PUBLISHER, useValue: publisher },
        { provide: Sandbox, useValue: sandbox },
        { provide: PoolClaims, useValue: pools },
        { provide: APP_INTERCEPTOR, useClass: RequestMetrics },
        { provide: IdempotencyKeys, useValue: new IdempotencyKeys(SCHEMA) },
        Changes,
        AuditLog,
        KnownAgents,
        DefinitionCheck,
        ConfigReads,
        Definitions,
        AgentCheck,
        AgentRegistry,
        ApiKeys,
        Knowledge,
        { provide: WORKER_USERS, useValue: { users: workerUsers } },
        PoolCredentials,
        { provide: SecretVault, useValue: vault },
        SecretUses,
        Secrets,
        Models,
        McpServers,
        { provide: DEFAULT_LIMITS, useValue: defaultLimits },
        TenantLimitsRegistry,
        TenantSettingsRegistry,
        { provide: LongestStep, useValue: new LongestStep(longestStepMs) },
      ],
    };
  }
}

import type { DynamicModule } from '@nestjs/common';
import { operations } from '@batuta/contracts';
import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { RoleGuard } from './auth/role.guard.js';
import { PreconditionGuard } from './http/preconditions.js';
import { Backend } from './backend/backend.js';
import { ConfigSchemas } from './executions/config-schemas.js';
import { ExecutionStarter } from './executions/execution-starter.js';
import { Executions } from './executions/executions.js';
import { TenantLimitGate } from './backend/tenant-limits.js';
import { AuditExportController } from './audit/audit-export.controller.js';
import { AgentsController } from './agents/agents.controller.js';
import { ApiKeysController } from './api-keys/api-keys.controller.js';
import { CallbacksController } from './callbacks/callbacks.controller.js';
import { ConfigsController } from './configs/configs.controller.js';
import { ControlController } from './executions/control.controller.js';
import { ForkController } from './executions/fork.controller.js';
import { ExecuteController } from './executions/execute.controller.js';
import { ExecutionsController } from './executions/executions.controller.js';
import { KnowledgeController } from './knowledge/knowledge.controller.js';
import { NotificationsController } from './notifications/notifications.controller.js';
import { OperationsController } from './operations/operations.controller.js';
import { PoolsController } from './pools/pools.controller.js';
import { EventStreams } from './streams/event-streams.js';
import { StreamsController } from './streams/streams.controller.js';
import { SchedulesController } from './schedules/schedules.controller.js';
import { PoolCredentialsController } from './pools/pool-credentials.controller.js';
import { ProcessesController } from './work/processes.controller.js';
import { TasksController } from './work/tasks.controller.js';
import { WorkflowsController } from './work/workflows.controller.js';
import { TenantsController } from './tenants/tenants.controller.js';
import { featureController } from './routes/feature-controller.js';
import { TraceLinks } from './executions/trace-links.js';
import { ExecutionHub } from './executions/execution-hub.js';

const SecretsController = featureController('SecretsController', operations.secrets);
const McpServersController = featureController('McpServersController', operations.mcpServers);
const ModelsController = featureController('ModelsController', operations.models);
const PausesController = featureController('PausesController', operations.pauses);
const RetentionPoliciesController = featureController('RetentionPoliciesController', operations.retentionPolicies);

const AuditController = featureController('AuditController', operations.audit);

/** Every controller of the API. */
export const CONTROLLERS = [
  OperationsController,
  ConfigsController,
  ExecuteController,
  ExecutionsController,
  StreamsController,
  ControlController,
  ForkController,
  AgentsController,
  PoolsController,
  PoolCredentialsController,
  PausesController,
  KnowledgeController,
  SecretsController,
  ModelsController,
  McpServersController,
  RetentionPoliciesController,
  ApiKeysController,
  TenantsController,
  CallbacksController,
  NotificationsController,
  SchedulesController,
  TasksController,
  WorkflowsController,
  ProcessesController,
  AuditController,
  AuditExportController,
] as const;

/** The parts that the gateway's handlers use. `startGateway` makes them and closes them. */
export interface GatewayParts {
  readonly backend: Backend;
  readonly schemas: ConfigSchemas;
  readonly starter: ExecutionStarter;
  readonly hub: ExecutionHub;
  readonly executions: Executions;
  readonly limits: TenantLimitGate;
  readonly traceLinks: TraceLinks;
  readonly eventStreams: EventStreams;
}

@Module({})
export class GatewayModule {
  static register(parts: GatewayParts): DynamicModule {
    return {
      module: GatewayModule,
      controllers: [...CONTROLLERS],
      providers: [
        { provide: Backend, useValue: parts.backend },
        { provide: ConfigSchemas, useValue: parts.schemas },
        { provide: ExecutionStarter, useValue: parts.starter },
        { provide: ExecutionHub, useValue: parts.hub },
        { provide: Executions, useValue: parts.executions },
        { provide: TenantLimitGate, useValue: parts.limits },
        { provide: TraceLinks, useValue: parts.traceLinks },
        { provide: EventStreams, useValue: parts.eventStreams },
        { provide: APP_GUARD, useClass: RoleGuard },
        { provide: APP_GUARD, useClass: PreconditionGuard },
      ],
    };
  }
}

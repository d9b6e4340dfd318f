import type { NatsService } from '../nats-services.js';
import type { AnyOperation } from './define.js';
import { agents } from './agents.js';
import { audit } from './audit.js';
import { apiKeys } from './api-keys.js';
import { callbacks, deliveries } from './callbacks.js';
import { configs } from './configs.js';
import { engine } from './engine.js';
import { executions } from './executions.js';
import { knowledge } from './knowledge.js';
import { mcpServers } from './mcp-servers.js';
import { models } from './models.js';
import { notifications } from './notifications.js';
import { pauses } from './pauses.js';
import { poolCredentials, pools } from './pools.js';
import { retentionPolicies } from './retention-policies.js';
import { schedules } from './schedules.js';
import { processes } from './processes.js';
import { tasks } from './tasks.js';
import { workflows } from './workflows.js';
import { secrets } from './secrets.js';
import { tenants, tenantSettings } from './tenants.js';

/** Every operation of the platform, by feature. */
export const operations = {
  configs,
  executions,
  schedules,
  tasks,
  workflows,
  processes,
  engine,
  agents,
  pools,
  poolCredentials,
  pauses,
  knowledge,
  secrets,
  models,
  mcpServers,
  retentionPolicies,
  apiKeys,
  tenants,
  tenantSettings,
  audit,
  callbacks,
  deliveries,
  notifications,
} as const;

export const ALL_OPERATIONS: readonly AnyOperation[] = Object.values(operations).flatMap((feature) =>
  Object.values(feature as Readonly<Record<string, AnyOperation>>),
);

const subjectsOf = (some: readonly AnyOperation[]): readonly string[] => [
  ...new Set(some.map(({ subject }) => subject)),
];

/** Subjects of the requests that a service answers. */
export const subjectsServedBy = (service: NatsService): readonly string[] =>
  subjectsOf(ALL_OPERATIONS.filter((operation) => operation.service === service));

/** Subjects of the requests that a service sends. */
export const subjectsAskedBy = (service: NatsService): readonly string[] =>
  subjectsOf(ALL_OPERATIONS.filter(({ askedBy }) => askedBy.includes(service)));

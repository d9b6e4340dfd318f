import { natsMicroservice, serveRequests } from '@batuta/control';
import { nestLogger } from '@batuta/observability';
import type { Logger, ReadinessCheck } from '@batuta/observability';
import type { natsAccessOf } from '@batuta/settings';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { ExecutionModule } from '../app.module.js';
import { ExecutionQueries } from '../queries/execution-queries.js';
import { ListQueries } from '../queries/list-queries.js';
import { LogQueries } from '../queries/log-queries.js';
import { Queues } from '../queries/queues.js';
import { ScheduleQueries } from '../queries/schedule-queries.js';
import { TenantExecutions } from '../queries/tenant-executions.js';
import type { OpenedBus } from './open-bus.js';
import type { Database } from './open-database.js';
import type { OpenedEngine } from './open-engine.js';
import type { OpenedRetention } from './open-retention.js';
import type { Opened } from '@batuta/service';

interface OpenRequestsParts {
  readonly access: ReturnType<typeof natsAccessOf>;
  readonly logger: Logger;
  readonly database: Database;
  readonly bus: OpenedBus;
  readonly engine: OpenedEngine;
  readonly retention: OpenedRetention;
  readonly opened: Opened;
  readonly lost: (error: Error) => void;
}

/** Answers queries and the other requests that are not for one partition. */
export async function openRequests(parts: OpenRequestsParts): Promise<{ queues: Queues; requests: ReadinessCheck }> {
  const { access, logger, database, opened, lost } = parts;
  const { store, lists, lookUps, storeOf } = database;
  const { nats, bus, pauses } = parts.bus;
  const { engine, clock, admissions } = parts.engine;
  const { integrity, policies } = parts.retention;
  const queues = new Queues({
    queue: bus,
    poolOf: (tenantId, agent) => engine.effects.agents.pool(tenantId, agent),
    now: () => clock.now(),
    held: pauses.held,
  });
  const executions = new TenantExecutions((tenantId, leaveOut) => {
    const seen = storeOf(tenantId, leaveOut);
    return { reader: seen, configs: engine.configs, snapshots: seen };
  });
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(
    ExecutionModule.register({
      executions: new ExecutionQueries(executions, lookUps, queues),
      lists: new ListQueries(lists, executions),
      log: new LogQueries(store, executions),
      queues,
      integrity,
      retention: policies,
      pauses,
      schedules: new ScheduleQueries((tenantId) => storeOf(tenantId), lookUps),
      admissions,
      partitions: engine.partitionCount,
    }),
    {
      ...(await natsMicroservice({ ...access, queue: 'execution' })),
      logger: nestLogger(logger),
      abortOnError: false,
    },
  );
  opened.push(() => app.close());
  const { requests, end } = await serveRequests(app, { nats, logger, onLost: lost });
  opened.push(() => Promise.resolve(end()));
  return { queues, requests };
}

import { operations } from '@batuta/contracts';
import { operationsController } from '@batuta/control';
import { EngineParts } from './engine-parts.js';

export const ExecutionsController = operationsController('ExecutionsController', operations.executions, EngineParts, {
  list: ({ lists }, request) => lists.executions(request),
  approvals: ({ lists }, request) => lists.approvals(request),
  get: ({ executions }, request) => executions.get(request),
  events: ({ log }, request) => log.events(request),
  step: ({ executions }, request) => executions.step(request),
  output: ({ executions }, request) => executions.payload(request),
  stream: ({ executions }, request) => executions.stream(request),
  verify: ({ integrity }, request) => integrity.verify(request),
  export: ({ integrity }, request) => integrity.export(request),
});

export const SchedulesController = operationsController('SchedulesController', operations.schedules, EngineParts, {
  get: ({ schedules }, request) => schedules.get(request),
  list: ({ schedules }, request) => schedules.list(request),
  history: ({ schedules }, request) => schedules.history(request),
});

export const PoolsController = operationsController('PoolsController', operations.pools, EngineParts, {
  list: ({ queues }, request) => queues.list(request),
});

export const EngineController = operationsController('EngineController', operations.engine, EngineParts, {
  topology: async ({ partitions }) => ({ partitions }),
  versions: ({ log }, request) => log.versions(request),
  starts: ({ log }, request) => log.starts(request),
  log: ({ log }, request) => log.read(request),
  admit: ({ admissions }, request) => admissions.admit(request),
  sockets: ({ admissions }, request) => admissions.sockets(request),
  use: ({ admissions }, request) => admissions.use(request),
});

import { operations } from '@batuta/contracts';
import { operationsController } from '@batuta/control';
import { EngineParts } from './engine-parts.js';

export const ExecutionsController = operationsController('ExecutionsController', operations.executions, EngineParts, {
  list: ({ queries }, request) => queries.list(request),
  approvals: ({ queries }, request) => queries.approvals(request),
  get: ({ queries }, request) => queries.get(request),
  events: ({ queries }, request) => queries.events(request),
  step: ({ queries }, request) => queries.step(request),
  output: ({ queries }, request) => queries.payload(request),
  stream: ({ queries }, request) => queries.stream(request),
  verify: ({ integrity }, request) => integrity.verify(request),
  export: ({ integrity }, request) => integrity.export(request),
});

export const SchedulesController = operationsController('SchedulesController', operations.schedules, EngineParts, {
  get: ({ schedules }, request) => schedules.get(request),
  list: ({ schedules }, request) => schedules.list(request),
  history: ({ schedules }, request) => schedules.history(request),
});

export const PoolsController = operationsController('PoolsController', operations.pools, EngineParts, {
  list: ({ queries }, request) => queries.pools(request),
});

export const EngineController = operationsController('EngineController', operations.engine, EngineParts, {
  topology: async ({ queries }) => queries.topology,
  versions: ({ queries }, request) => queries.versions(request),
  starts: ({ queries }, request) => queries.starts(request),
  log: ({ queries }, request) => queries.log(request),
  admit: ({ admissions }, request) => admissions.admit(request),
  sockets: ({ admissions }, request) => admissions.sockets(request),
  use: ({ admissions }, request) => admissions.use(request),
});

import type { Integrity } from '../integrity/integrity.js';
import type { Admissions } from '../tenants/admissions.js';
import type { ExecutionQueries } from './execution-queries.js';
import type { ListQueries } from './list-queries.js';
import type { LogQueries } from './log-queries.js';
import type { Queues } from './queues.js';
import type { ScheduleQueries } from './schedule-queries.js';

/** The parts that answer queries to the execution service. */
export class EngineParts {
  readonly executions: ExecutionQueries;
  readonly lists: ListQueries;
  readonly log: LogQueries;
  readonly queues: Queues;
  readonly integrity: Integrity;
  readonly schedules: ScheduleQueries;
  readonly admissions: Admissions;
  readonly partitions: number;

  constructor(parts: EngineParts) {
    this.executions = parts.executions;
    this.lists = parts.lists;
    this.log = parts.log;
    this.queues = parts.queues;
    this.integrity = parts.integrity;
    this.schedules = parts.schedules;
    this.admissions = parts.admissions;
    this.partitions = parts.partitions;
  }
}

import type { Integrity } from '../integrity/integrity.js';
import type { Admissions } from '../tenants/admissions.js';
import type { ExecutionQueries } from './execution-queries.js';
import type { ScheduleQueries } from './schedule-queries.js';

/** The parts that answer queries to the execution service. */
export class EngineParts {
  readonly queries: ExecutionQueries;
  readonly integrity: Integrity;
  readonly schedules: ScheduleQueries;
  readonly admissions: Admissions;

  constructor(parts: EngineParts) {
    this.queries = parts.queries;
    this.integrity = parts.integrity;
    this.schedules = parts.schedules;
    this.admissions = parts.admissions;
  }
}

import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { Integrity } from './integrity/integrity.js';
import { ExecutionQueries } from './queries/execution-queries.js';
import { ScheduleQueries } from './queries/schedule-queries.js';
import { Admissions } from './tenants/admissions.js';
import { QueriesController } from './queries/queries.controller.js';
import { RetentionPolicies } from './retention/policies.js';
import { RetentionController } from './retention/retention.controller.js';

export interface ExecutionModuleOptions {
  readonly queries: ExecutionQueries;
  readonly integrity: Integrity;
  readonly retention: RetentionPolicies;
  readonly schedules: ScheduleQueries;
  readonly admissions: Admissions;
}

/** What the execution service serves through Nest: queries and retention policies. Commands and results do not pass through a framework. */
@Module({})
export class ExecutionModule {
  static register({ queries, integrity, retention, schedules, admissions }: ExecutionModuleOptions): DynamicModule {
    return {
      module: ExecutionModule,
      controllers: [QueriesController, RetentionController],
      providers: [
        { provide: ExecutionQueries, useValue: queries },
        { provide: Integrity, useValue: integrity },
        { provide: RetentionPolicies, useValue: retention },
        { provide: ScheduleQueries, useValue: schedules },
        { provide: Admissions, useValue: admissions },
      ],
    };
  }
}

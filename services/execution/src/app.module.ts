import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { Integrity } from './integrity/integrity.js';
import { ExecutionQueries } from './queries/execution-queries.js';
import { QueriesController } from './queries/queries.controller.js';

export interface ExecutionModuleOptions {
  readonly queries: ExecutionQueries;
  readonly integrity: Integrity;
}

/** What the execution service serves through Nest: queries. Commands and results do not pass through a framework. */
@Module({})
export class ExecutionModule {
  static register({ queries, integrity }: ExecutionModuleOptions): DynamicModule {
    return {
      module: ExecutionModule,
      controllers: [QueriesController],
      providers: [
        { provide: ExecutionQueries, useValue: queries },
        { provide: Integrity, useValue: integrity },
      ],
    };
  }
}

import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { EngineParts } from './queries/engine-parts.js';
import {
  EngineController,
  ExecutionsController,
  PoolsController,
  SchedulesController,
} from './queries/queries.controller.js';
import { Pauses } from './pauses/pauses.js';
import { PausesController } from './pauses/pauses.controller.js';
import { RetentionPolicies } from './retention/policies.js';
import { RetentionController } from './retention/retention.controller.js';

export interface ExecutionModuleOptions extends EngineParts {
  readonly retention: RetentionPolicies;
  readonly pauses: Pauses;
}

/**
 * The parts of the execution service that use Nest: queries, retention policies and pauses. Commands and results do not pass
 * through a framework.
 */
@Module({})
export class ExecutionModule {
  static register({ retention, pauses, ...parts }: ExecutionModuleOptions): DynamicModule {
    return {
      module: ExecutionModule,
      controllers: [
        ExecutionsController,
        SchedulesController,
        PoolsController,
        EngineController,
        RetentionController,
        PausesController,
      ],
      providers: [
        { provide: EngineParts, useValue: new EngineParts(parts) },
        { provide: RetentionPolicies, useValue: retention },
        { provide: Pauses, useValue: pauses },
      ],
    };
  }
}

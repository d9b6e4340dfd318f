import { Runner } from '@batuta/worker';
import { Inject, Module } from '@nestjs/common';
import type { BeforeApplicationShutdown, DynamicModule, OnApplicationBootstrap } from '@nestjs/common';

/** Injection token: how long a stopping runner lets its attempts finish, in milliseconds. */
const DRAIN_MS = Symbol('drain');

/** The step-runner: serves its pools from bootstrap to shutdown. Tasks themselves do not pass through Nest. */
@Module({})
export class StepRunnerModule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #runner: Runner;
  readonly #drainMs: number;

  static register(runner: Runner, drainMs: number): DynamicModule {
    return {
      module: StepRunnerModule,
      providers: [
        { provide: Runner, useValue: runner },
        { provide: DRAIN_MS, useValue: drainMs },
      ],
      exports: [Runner],
    };
  }

  constructor(@Inject(Runner) runner: Runner, @Inject(DRAIN_MS) drainMs: number) {
    this.#runner = runner;
    this.#drainMs = drainMs;
  }

  onApplicationBootstrap(): Promise<void> {
    return this.#runner.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.#runner.stop(this.#drainMs);
  }
}

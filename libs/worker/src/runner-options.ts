import type { NatsConnection } from '@nats-io/nats-core';
import type { Agent } from './agent.js';
import type { Logger } from './logger.js';
import type { PlatformContext, PlatformPorts } from './platform.js';

export interface RunnerOptions {
  readonly nc: NatsConnection;
  readonly agents: readonly Agent<PlatformContext>[];
  readonly logger: Logger;
  readonly pools: readonly string[];
  /** Maximum number of attempts that run at once in each pool. */
  readonly slots: number;
  /** Maximum size in bytes of the tasks that run at once in each pool. Default: no limit. */
  readonly bytesAtOnce?: number | undefined;
  /** The runner's name in results. */
  readonly workerId: string;
  /**
   * Number of copies of the tasks' stream in a NATS cluster, for a runner that may create the stream. Default: it may
   * not create it, and waits until it exists.
   */
  readonly streamReplicas?: number;
  /** Milliseconds without a sign of life after which a task is delivered to another worker. */
  readonly ackWaitMs: number;
  /** Milliseconds between the signs of life of a task. At most half of `ackWaitMs`. */
  readonly workingMs: number;
  /** Milliseconds between questions to the engine whether a long attempt is still needed. */
  readonly recheckMs: number;
  /** Milliseconds that an agent has after its signal before its slot is given to another attempt. */
  readonly graceMs: number;
  /** Maximum number of agents that ignore their signal and still run, before further ones keep their slots. */
  readonly maxAbandoned: number;
  /** Additional abilities of the platform's own runner. */
  readonly platform?: PlatformPorts;
}

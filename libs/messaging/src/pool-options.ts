import type { Priority } from '@batuta/contracts';
import type { Log } from './log.js';
import type { Delivery, DirectDelivery } from './pool-delivery.js';
import type { PoolConsumerSettings, StreamSettings } from './streams.js';

export interface PoolOptions {
  readonly pool: string;
  /** Maximum number of tasks that run at the same time. */
  readonly slots: number;
  /**
   * Maximum size in bytes of all tasks that run at the same time, because an attempt takes several times the size of
   * its task (text, value, result). A larger task runs alone. Default: no limit.
   */
  readonly maxBytes?: number;
  /** Runs one task. Its slot is free again when the promise settles. The function must settle the delivery itself. */
  readonly run: (delivery: Delivery) => Promise<void>;
  readonly logger: Log;
  /** Shares of the slots when tasks of every priority wait. Default 6, 3 and 1. */
  readonly weights?: Readonly<Record<Priority, number>>;
  /** Milliseconds between renewals of a lease. Must be well below the consumers' `ackWaitMs`. Default 700. */
  readonly workingMs?: number;
  /** Milliseconds for which a pull stays open at the server. Default 5,000. */
  readonly pullExpiresMs?: number;
  readonly consumers?: PoolConsumerSettings;
  readonly stream?: StreamSettings;
  /** Waits for a missing stream instead of creating it, for a user that may not create it. Default false. */
  readonly waitsForStream?: boolean;
}

export interface PoolConsumer {
  /** Number of tasks that have a slot or have given it back and wait for the engine's answer. */
  readonly running: number;
  /** Number of deliveries that are not settled, including those that wait for a slot. */
  readonly held: number;
  /** Whether the server answers pulls. False while the stream or the server is missing. */
  readonly healthy: boolean;
  readonly slots: number;
  /** Number of free slots. */
  readonly free: number;
  /** Whether no task waits in the queue for a slot, as far as this process knows. */
  readonly queueEmpty: boolean;
  /**
   * Runs a task that did not come from the queue. Returns false when no slot is free, or when tasks in the queue wait.
   */
  take(delivery: DirectDelivery): boolean;
  /** Requests no new tasks while `paused`. Tasks that were already requested may still arrive, and wait for a slot. */
  pause(paused: boolean): void;
  /**
   * Takes no new tasks and hands back those that wait for a slot. Resolves when no task has a slot, or after `limitMs`.
   */
  drain(limitMs: number): Promise<void>;
  /** Stops renewing leases. Tasks that are not settled by then are delivered to another runner. */
  close(): void;
}

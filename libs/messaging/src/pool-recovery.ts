import { PermissionViolationError } from '@nats-io/nats-core';
import type { NatsConnection } from '@nats-io/nats-core';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from './log.js';
import type { PriorityQueue } from './priority-queues.js';
import {
  deletePoolConsumer,
  deleteStepsStream,
  ensurePoolConsumers,
  ensureStepsStream,
  isStreamMissing,
  poolConsumerInfo,
} from './streams.js';
import type { PoolConsumerSettings, StreamSettings } from './streams.js';

interface RecoverySettings {
  readonly pool: string;
  readonly logger: Log;
  readonly pullExpiresMs: number;
  readonly consumers?: PoolConsumerSettings;
  readonly stream?: StreamSettings;
  readonly waitsForStream?: boolean;
}

interface RecoveringLoop {
  readonly closed: () => boolean;
  /** The stream and its consumers exist. No pull is open. */
  readonly recovered: () => void;
}

/** Milliseconds that nats-server takes to finish the deletion of a stream or consumer. */
export const DELETION_MS = 250;
const REMADE_LATELY_MS = 60_000;

/**
 * Makes sure that the stream of tasks and the consumers of one pool exist, and that they deliver. A recovery is `none`,
 * `running`, or `again` when another one was asked for while it ran.
 */
export class PoolRecovery {
  readonly #nc: NatsConnection;
  readonly #options: RecoverySettings;
  readonly #queues: readonly PriorityQueue[];
  readonly #loop: RecoveringLoop;
  readonly #pullExpiresMs: number;
  #state: 'none' | 'running' | 'again' = 'none';

  constructor(nc: NatsConnection, options: RecoverySettings, queues: readonly PriorityQueue[], loop: RecoveringLoop) {
    this.#nc = nc;
    this.#options = options;
    this.#queues = queues;
    this.#loop = loop;
    this.#pullExpiresMs = options.pullExpiresMs;
  }

  /** Whether it is unknown now if the stream is the same one as before. */
  get running(): boolean {
    return this.#state !== 'none';
  }

  /**
   * A consumer of nats-server 2.9 can get into a state in which it delivers nothing although tasks and pulls wait, for
   * example when its stream was created while its predecessor was being deleted. When two checks in a row find this
   * state, the consumer is recreated. If that does not help, the stream is recreated too.
   */
  async lookForStranded(queue: PriorityQueue): Promise<void> {
    const { pool, logger } = this.#options;
    try {
      const info = await poolConsumerInfo(this.#nc, pool, queue.priority);
      const stuck =
        info.num_pending > 0 &&
        info.num_waiting > 0 &&
        info.num_ack_pending < (info.config.max_ack_pending ?? Infinity);
      const delivered = info.delivered.consumer_seq;
      if (!stuck || performance.now() - queue.lastTask <= this.#pullExpiresMs) {
        queue.suspect = undefined;
      } else if (queue.suspect !== delivered) {
        queue.suspect = delivered;
      } else {
        queue.suspect = undefined;
        const again = performance.now() - queue.remade < REMADE_LATELY_MS;
        queue.remade = performance.now();
        const what = again ? 'stream' : 'consumer';
        logger.error(
          { pool, priority: queue.priority, waiting: info.num_pending },
          `tasks are stranded, recreating the ${what}`,
        );
        // Losing the stream loses no task: the engine sends again every task that the new stream does not hold.
        await (again ? deleteStepsStream(this.#nc) : deletePoolConsumer(this.#nc, pool, queue.priority));
        this.recover('stranded consumer', DELETION_MS);
      }
    } catch (error) {
      if (!this.#loop.closed()) {
        logger.warn({ err: error, pool, priority: queue.priority }, 'the state of a consumer cannot be read');
      }
    }
  }

  /** Forgets the open pulls, makes sure that the stream and its consumers exist, and starts again. */
  recover(reason: string, pauseMs = 0): void {
    if (this.#loop.closed()) return;
    if (this.#state !== 'none') {
      this.#state = 'again';
      return;
    }
    this.#state = 'running';
    this.#options.logger.warn({ pool: this.#options.pool, reason }, 'checking the stream of tasks');
    for (const queue of this.#queues) {
      queue.pulls.clear();
      queue.outstanding = 0;
      queue.backlog = false;
    }
    void this.#ensureUntilDone(pauseMs).then(() => {
      this.#state = 'none';
      this.#loop.recovered();
    });
  }

  /** Makes sure that the stream and its consumers exist. A user that may not create the stream waits for it. */
  async ensureFirst(): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#ensure();
        return;
      } catch (error) {
        if (this.#options.waitsForStream !== true || isForbidden(error) || this.#nc.isClosed()) throw error;
        if (attempt % 20 === 0) {
          this.#options.logger.warn({ err: error, pool: this.#options.pool }, 'the stream of tasks is not there yet');
        }
        await delay(500);
      }
    }
  }

  /** A recovery that was asked for while this one ran. */
  #isAskedAgain(): boolean {
    return this.#state === 'again';
  }

  async #ensureUntilDone(pauseMs: number): Promise<void> {
    await delay(pauseMs);
    for (let attempt = 0; !this.#loop.closed(); attempt++) {
      this.#state = 'running';
      try {
        await this.#ensure();
        if (!this.#isAskedAgain()) return;
      } catch (error) {
        if (this.#loop.closed() || this.#nc.isClosed()) return;
        if (attempt % 20 === 0) {
          this.#options.logger.warn({ err: error, pool: this.#options.pool }, 'the stream of tasks is not there yet');
        }
      }
      await delay(Math.min(1_000, 25 * 2 ** Math.min(attempt, 6)));
    }
  }

  async #ensure(): Promise<void> {
    const { logger, pool } = this.#options;
    const makeConsumers = () => ensurePoolConsumers(this.#nc, pool, { logger, ...this.#options.consumers });
    // The stream is read only when it is missing, because a pool's workers may not see what it holds for other pools.
    const consumers = await makeConsumers().catch(async (error: unknown) => {
      if (!isStreamMissing(error) || this.#options.waitsForStream === true) throw error;
      await ensureStepsStream(this.#nc, { logger, ...this.#options.stream });
      return makeConsumers();
    });
    for (const queue of this.#queues) {
      const { created, delivered } = consumers[queue.priority];
      if (queue.created !== undefined && queue.created !== created) {
        logger.warn({ pool, priority: queue.priority }, 'the queue was recreated, its tasks may be lost');
        queue.generation += 1;
        queue.delivered = 0;
      }
      queue.created = created;
      queue.delivered = Math.max(queue.delivered, delivered.stream_seq);
    }
  }
}

/** Whether the server forbids this user the request. */
function isForbidden(error: unknown): boolean {
  return [error, (error as Partial<Error> | undefined)?.cause].some((one) => one instanceof PermissionViolationError);
}
